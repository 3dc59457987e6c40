/** What comes and goes: asked about first, then with its progress. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { ContentsView, StatusView, TransferSourceView, TransferView, UploadView } from '../../api.ts';
import { useMap } from '../live.ts';
import { call } from '../session.ts';
import { bytes, duration } from '../ui/format.ts';
import { Card, Trouble, useTask } from '../ui/parts.tsx';
import { OfferFacts } from './offer-facts.tsx';

const OVER: readonly TransferView['state'][] = ['done', 'refused', 'cancelled'];

/** How many pushes wait for a yes or no. */
export function useAsked(): number {
  const transfers = useMap<TransferView>('transfers');
  return [...transfers.values()].filter(isQuestion).length;
}

function isQuestion({ kind, state }: TransferView): boolean {
  return kind === 'incoming' && state === 'asked';
}

export function TransferList(): JSX.Element {
  const transfers = [...useMap<TransferView>('transfers').values()].sort((a, b) => b.id - a.id);
  const uploads = [...useMap<UploadView>('uploads')];
  const isReadOnly = useMap<StatusView>('status').get('machine')?.isReadOnly === true;
  const task = useTask();
  const rest = transfers.filter((one) => !isQuestion(one));
  return (
    <>
      <div aria-live="polite">
        {transfers.filter(isQuestion).map((transfer) => (
          <Question key={transfer.id} transfer={transfer} isReadOnly={isReadOnly} />
        ))}
      </div>
      <Card title="Under way">
        {rest.length === 0 && uploads.length === 0 && (
          <p class="empty">What you get, and what is pushed either way, is shown here.</p>
        )}
        {rest.map((transfer) => (
          <Transfer key={transfer.id} transfer={transfer} isReadOnly={isReadOnly} />
        ))}
        {rest.some(({ state }) => OVER.includes(state)) && (
          <button
            type="button"
            class="quiet"
            disabled={isReadOnly}
            onClick={() => void task.run(() => call('transfers/clear'))}
          >
            Clear those that are over
          </button>
        )}
        <Trouble error={task.error} />
        {uploads.length > 0 && <h3>Fetched from here</h3>}
        {uploads.map(([key, { peer, offer, servedBytes, bytesPerSecond }]) => (
          <p key={key} class="row">
            <span class="name">{offer.name}</span>
            <span class="soft">by {peer}</span>
            <span class="spacer" />
            <span class="soft number">
              {bytes(servedBytes)} of {bytes(offer.size)}
              {bytesPerSecond > 0 && `, ${bytes(bytesPerSecond)}/s`}
            </span>
          </p>
        ))}
      </Card>
    </>
  );
}

function Question({
  transfer: { id, peers, offer },
  isReadOnly,
}: {
  transfer: TransferView;
  isReadOnly: boolean;
}): JSX.Element {
  const task = useTask();
  const answer = (isTaken: boolean): void => void task.run(() => call('transfers/answer', { id, isTaken }));
  return (
    <Card title={`${peers.join(', ')} wants to give you ${offer.kind === 'file' ? 'a file' : 'a folder'}`}>
      <OfferFacts offer={offer} />
      {offer.kind === 'folder' && <Contents id={id} />}
      <div class="row">
        <button
          type="button"
          class="primary"
          disabled={task.isBusy || isReadOnly}
          aria-label={`Take it: ${offer.name}`}
          onClick={() => answer(true)}
        >
          Take it
        </button>
        <button
          type="button"
          class="danger"
          disabled={task.isBusy || isReadOnly}
          aria-label={`Refuse: ${offer.name}`}
          onClick={() => answer(false)}
        >
          Refuse
        </button>
      </div>
      <Trouble error={task.error} />
    </Card>
  );
}

function Contents({ id }: { id: number }): JSX.Element {
  const [contents, setContents] = useState<ContentsView | null>(null);
  const task = useTask();
  // Once for each.
  useEffect(() => {
    void task.run(async () => setContents(await call<ContentsView>('transfers/contents', { id })));
  }, [id]);
  return (
    <>
      <Trouble error={task.error} />
      {contents && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard
        <ul class="contents" tabIndex={0} aria-label="What is in it">
          {contents.entries.map(({ path, size, isExecutable }) => (
            <li key={path} class="row">
              <span class="name">{size === null ? `${path}/` : path}</span>
              {isExecutable && <strong>can be run</strong>}
              <span class="spacer" />
              <span class="soft number">{size !== null && bytes(size)}</span>
            </li>
          ))}
          {contents.more === null ? (
            <li>
              and more, whether it can be run or not: the list is too long to look at before it is taken
            </li>
          ) : (
            contents.more.count > 0 && (
              <li>
                and {contents.more.count} more, of which {contents.more.executable} can be run
              </li>
            )
          )}
        </ul>
      )}
    </>
  );
}

const STATES: Record<TransferView['state'], string> = {
  hashing: 'looking through it',
  asked: 'asked there whether it is wanted',
  running: '',
  paused: 'paused',
  done: 'done',
  refused: 'refused',
  failed: 'failed',
  cancelled: 'stopped, and nothing of it kept',
};

const ARROWS = { get: '↓', incoming: '↓', push: '↑' } as const;
const WAYS = { get: 'from', incoming: 'from', push: 'to' } as const;

function Transfer({ transfer, isReadOnly }: { transfer: TransferView; isReadOnly: boolean }): JSX.Element {
  const { id, kind, peers, offer, state, doneBytes, bytesPerSecond, sources, path, error } = transfer;
  const task = useTask();
  const act = (name: string): void => void task.run(() => call(`transfers/${name}`, { id }));
  const part = offer.size === 0 ? Number(state === 'done') : Math.min(1, doneBytes / offer.size);
  const canAgain = (state === 'failed' && kind !== 'incoming') || (state === 'refused' && kind === 'push');
  const label = `${offer.name} ${WAYS[kind]} ${peers.join(', ')}`;
  const button = (name: string, text: string): JSX.Element => (
    <button
      type="button"
      class="quiet"
      disabled={task.isBusy || isReadOnly}
      aria-label={`${text}: ${offer.name}`}
      onClick={() => act(name)}
    >
      {text}
    </button>
  );
  return (
    <article class="transfer" aria-label={label}>
      <div class="row">
        <span aria-hidden="true">{ARROWS[kind]}</span>
        <strong class="name">{offer.name}</strong>
        <span class="soft">
          {peers.length > 0 && `${WAYS[kind]} ${peers.join(', ')}`} {STATES[state]}
        </span>
        <span class="spacer" />
        {(state === 'running' || state === 'hashing') && kind !== 'push' && button('pause', 'Pause')}
        {state === 'paused' && button('resume', 'Resume')}
        {canAgain && button('resume', 'Try again')}
        {!OVER.includes(state) && state !== 'failed' && button('cancel', 'Stop')}
        {(OVER.includes(state) || state === 'failed') && button('forget', 'Clear')}
      </div>
      <progress max={1} value={part} aria-label={`How far ${label} is`} />
      <p class="soft number">
        {bytes(doneBytes)} of {bytes(offer.size)}
        {state === 'running' && `, ${bytes(bytesPerSecond)}/s`}
        {state === 'running' &&
          bytesPerSecond > 0 &&
          `, ${duration((offer.size - doneBytes) / bytesPerSecond)} left`}
      </p>
      {path !== undefined && (
        <p class="soft">
          In <code>{path}</code>
        </p>
      )}
      {kind === 'get' && state === 'running' && sources.length > 1 && (
        <ul class="sources">
          {sources.map((source) => (
            <li key={source.name}>{told(source)}</li>
          ))}
        </ul>
      )}
      <Trouble error={error ?? task.error} />
    </article>
  );
}

const LOSSES = { wrong: 'sent what is wrong', changed: 'its file changed', gone: 'has it no more' } as const;

function told({ name, receivedBytes, bytesPerSecond, loss }: TransferSourceView): string {
  const rate = loss === null ? `${bytes(bytesPerSecond)}/s` : LOSSES[loss];
  return `${name}: ${bytes(receivedBytes)}, ${rate}`;
}
