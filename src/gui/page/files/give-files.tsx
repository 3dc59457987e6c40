/** Giving files: dropped on the page, chosen in a dialog, or named by their path; offered, or pushed to one peer. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { PeerView, StatusView } from '../../api.ts';
import { useMap } from '../live.ts';
import { call, upload } from '../session.ts';
import { Card, Field, Trouble, useTask } from '../ui/parts.tsx';
import { type Dropped, droppedFrom, pickedFrom } from './dropped.ts';
import { PeerChoice } from './peer-choice.tsx';

export function GiveFiles(): JSX.Element | null {
  const status = useMap<StatusView>('status').get('machine');
  const peers = [...useMap<PeerView>('peers').values()].filter(({ isPaused }) => !isPaused);
  const [isPush, setPush] = useState(false);
  const [to, setTo] = useState<readonly string[] | null>(null);
  const [peer, setPeer] = useState('');
  const [path, setPath] = useState('');
  const [isOver, setOver] = useState(false);
  const [progress, setProgress] = useState('');
  const task = useTask();
  if (status?.isReadOnly) return null;

  const target = peer === '' ? peers[0]?.name : peer;
  const fields = isPush ? { peer: target } : to === null ? {} : { to };
  const verb = isPush ? 'push' : 'share';
  const give = (things: readonly Dropped[]): void =>
    void task.run(async () => {
      for (const thing of things) await sendDropped(thing, verb, fields, setProgress);
      setProgress('');
    });
  const givePath = (event: Event): void => {
    event.preventDefault();
    // A large one is read for long: meanwhile the next one may be named.
    setPath('');
    void task
      .run(() => call(`files/${verb}`, { path, ...fields }))
      .then((done) => {
        if (!done) setPath((next) => (next === '' ? path : next));
      });
  };
  return (
    <Card title="Give files">
      <fieldset class="choice">
        <legend>What shall happen with them?</legend>
        <label>
          <input type="radio" name="give" checked={!isPush} onChange={() => setPush(false)} /> offer them, for
          peers to fetch
        </label>
        <label>
          <input
            type="radio"
            name="give"
            checked={isPush}
            disabled={peers.length === 0}
            onChange={() => setPush(true)}
          />{' '}
          push them to one peer, which is asked
        </label>
      </fieldset>
      {isPush ? (
        <Field label="To">
          {(ids) => (
            <select {...ids} value={target} onChange={(event) => setPeer(event.currentTarget.value)}>
              {peers.map(({ name }) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          )}
        </Field>
      ) : (
        <PeerChoice label="Who may get them" to={to} onChange={setTo} />
      )}
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the same can be done by the two buttons in it */}
      <div
        class={`drop ${isOver ? 'over' : ''}`}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          const { dataTransfer } = event;
          if (dataTransfer !== null) void task.run(async () => give(await droppedFrom(dataTransfer)));
        }}
      >
        <p>Drop files or folders here, or choose:</p>
        <div class="row">
          <Picker label="Files" isDisabled={task.isBusy} onPicked={give} />
          <Picker label="A folder" isFolder isDisabled={task.isBusy} onPicked={give} />
        </div>
        <p role="status">{progress}</p>
      </div>
      <form onSubmit={givePath}>
        <Field
          label="Or where it is on this machine"
          hint="The whole path of a file or folder. It is given from there, and not copied."
        >
          {(ids) => (
            <input
              {...ids}
              required
              placeholder="~/photos"
              value={path}
              onInput={(event) => setPath(event.currentTarget.value)}
            />
          )}
        </Field>
        <button type="submit">{isPush ? `Push it to ${target}` : 'Offer it'}</button>
      </form>
      <Trouble error={task.error} />
    </Card>
  );
}

function Picker({
  label,
  isFolder = false,
  isDisabled,
  onPicked,
}: {
  label: string;
  isFolder?: boolean;
  isDisabled: boolean;
  onPicked: (things: readonly Dropped[]) => void;
}): JSX.Element {
  return (
    <label class={`button ${isDisabled ? 'disabled' : ''}`}>
      {label}
      <input
        class="unseen"
        type="file"
        multiple
        disabled={isDisabled}
        {...(isFolder && { webkitdirectory: true })}
        onChange={({ currentTarget }) => {
          onPicked(pickedFrom(currentTarget.files ?? []));
          currentTarget.value = '';
        }}
      />
    </label>
  );
}

/** Copies it to where udp-tool runs, which may be another machine at the end of a tunnel, and gives it from there. */
async function sendDropped(
  { name, files }: Dropped,
  verb: 'share' | 'push',
  fields: object,
  tell: (progress: string) => void,
): Promise<void> {
  const { drop } = await call<{ drop: string }>('files/drop', { name });
  try {
    for (const [index, { path, file }] of files.entries()) {
      tell(`Reading ${name}${files.length > 1 ? `: ${index + 1} of ${files.length}` : ''} …`);
      await upload('files/upload', { drop, path }, file);
    }
  } catch (error) {
    await call('files/cancel-drop', { drop }).catch(() => {}); // the first error says why
    throw error;
  }
  await call(`files/${verb}-drop`, { drop, ...fields });
}
