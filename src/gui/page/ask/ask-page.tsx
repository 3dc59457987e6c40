/** A peer's commands: a form made from what its `help` says, the answer, and values as they come. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type {
  ArgumentView,
  AskedView,
  CommandView,
  ErrorView,
  PeerView,
  StatusView,
  WatchValueView,
  WatchView,
} from '../../api.ts';
import { useLog, useMap } from '../live.ts';
import { href } from '../route.ts';
import { call } from '../session.ts';
import { Chart, type Point } from '../ui/chart.tsx';
import { clockTime, ms } from '../ui/format.ts';
import { Card, Field, Trouble, useTask, ValueText } from '../ui/parts.tsx';

type Argument = AskedView['args'][number];

const HISTORY = 100;

export function AskPage({ peer }: { peer: string | undefined }): JSX.Element {
  const peers = useMap<PeerView>('peers');
  const names = [...peers.values()].filter(({ isPaused }) => !isPaused).map(({ name }) => name);
  const chosen = peer ?? names[0];
  const task = useTask();
  const ask = (name: string, command: string, args: readonly Argument[]): Promise<boolean> =>
    task.run(() => call('ask/run', { peer: name, command, args }));
  if (chosen === undefined) return <p class="empty">No peer to ask yet.</p>;
  return (
    <div class="columns">
      <div>
        <Card title="What to ask">
          <Field label="Peer">
            {(ids) => (
              <select
                {...ids}
                value={chosen}
                onChange={(event) => (location.hash = href('ask', event.currentTarget.value))}
              >
                {names.map((name) => (
                  <option key={name}>{name}</option>
                ))}
              </select>
            )}
          </Field>
          {names.includes(chosen) ? (
            <Commands key={chosen} peer={chosen} isBusy={task.isBusy} onAsk={ask} />
          ) : (
            <p class="empty">There is no peer “{chosen}” that could be asked.</p>
          )}
          <Trouble error={task.error} />
        </Card>
      </div>
      <div>
        <Watches />
        <History onAgain={ask} isBusy={task.isBusy} />
      </div>
    </div>
  );
}

interface CommandsProps {
  readonly peer: string;
  readonly isBusy: boolean;
  readonly onAsk: (peer: string, command: string, args: readonly Argument[]) => void;
}

function Commands({ peer, isBusy, onAsk }: CommandsProps): JSX.Element {
  const [commands, setCommands] = useState<readonly CommandView[] | null>(null);
  const [error, setError] = useState<ErrorView | null>(null);
  const [name, setName] = useState('');
  const [asked, setAsked] = useState(0);
  useEffect(() => {
    const gone = new AbortController();
    setError(null);
    call<{ commands: CommandView[] }>('ask/help', { peer }, gone.signal).then(
      (answer) => setCommands(answer.commands),
      (caught) => {
        if (!gone.signal.aborted) setError(caught as ErrorView);
      },
    );
    return () => gone.abort();
  }, [peer, asked]);
  if (error !== null)
    return (
      <>
        <Trouble error={error} />
        <div class="row">
          <button type="button" onClick={() => setAsked(asked + 1)}>
            Try again
          </button>
          <a class="button" href={href('doctor', peer)}>
            Examine {peer}
          </a>
        </div>
      </>
    );
  if (commands === null) return <p role="status">Asking {peer} what it offers …</p>;
  const command = commands.find((one) => one.name === name) ?? commands[0];
  if (command === undefined) return <p>{peer} offers nothing to this machine.</p>;
  return (
    <>
      <Field label="Command" hint={command.summary}>
        {(ids) => (
          <select {...ids} value={command.name} onChange={(event) => setName(event.currentTarget.value)}>
            {commands.map((one) => (
              <option key={one.name}>{one.name}</option>
            ))}
          </select>
        )}
      </Field>
      <button type="button" class="quiet" onClick={() => setAsked(asked + 1)}>
        See whether there are others by now
      </button>
      <CommandForm key={command.name} peer={peer} command={command} isBusy={isBusy} onAsk={onAsk} />
    </>
  );
}

function CommandForm({
  peer,
  command,
  isBusy,
  onAsk,
}: CommandsProps & { command: CommandView }): JSX.Element {
  const [texts, setTexts] = useState<Readonly<Record<string, string>>>(() =>
    Object.fromEntries(
      command.args.map((spec) => [spec.name, spec.default === undefined ? '' : String(spec.default)]),
    ),
  );
  const [every, setEvery] = useState('1');
  const seconds = useRef<HTMLInputElement>(null);
  const watching = useTask();
  const isReadOnly = useMap<StatusView>('status').get('machine')?.isReadOnly === true;
  const args = (): Argument[] => argumentsOf(command.args, texts);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        onAsk(peer, command.name, args());
      }}
    >
      {command.args.map((spec) => (
        <ArgumentField
          key={spec.name}
          spec={spec}
          value={texts[spec.name] ?? ''}
          onChange={(text) => setTexts({ ...texts, [spec.name]: text })}
        />
      ))}
      <div class="row">
        <button type="submit" class="primary" disabled={isBusy || isReadOnly}>
          {isBusy ? 'Asking …' : `Ask ${command.name}`}
        </button>
      </div>
      <div class="row">
        <Field label="Or watch it, every … seconds">
          {(ids) => (
            <input
              {...ids}
              ref={seconds}
              required
              type="number"
              min="0.01"
              max="86400"
              step="any"
              value={every}
              onInput={(event) => setEvery(event.currentTarget.value)}
            />
          )}
        </Field>
        <button
          type="button"
          disabled={watching.isBusy || isReadOnly}
          onClick={() => {
            if (seconds.current?.reportValidity() !== true) return;
            void watching.run(() =>
              call('ask/watch', { peer, command: command.name, args: args(), everyMs: Number(every) * 1000 }),
            );
          }}
        >
          Watch
        </button>
      </div>
      <Trouble error={watching.error} />
    </form>
  );
}

interface ArgumentFieldProps {
  readonly spec: ArgumentView;
  readonly value: string;
  readonly onChange: (text: string) => void;
}

function ArgumentField({ spec, value, onChange }: ArgumentFieldProps): JSX.Element {
  const { name, summary, type, min, max, maxLength, optional } = spec;
  const isRequired = optional !== true && spec.default === undefined;
  const label = isRequired ? name : `${name} (optional)`;
  if (type === 'boolean') {
    return (
      <Field label={label} hint={summary}>
        {(ids) => (
          <select {...ids} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
            {!isRequired && <option value="">not given</option>}
            <option>true</option>
            <option>false</option>
          </select>
        )}
      </Field>
    );
  }
  const common = { required: isRequired, value };
  return (
    <Field label={label} hint={summary}>
      {(ids) =>
        type === 'text' ? (
          <input
            {...ids}
            {...common}
            maxLength={maxLength}
            onInput={(event) => onChange(event.currentTarget.value)}
          />
        ) : (
          <input
            {...ids}
            {...common}
            type="number"
            step={type === 'integer' ? 1 : 'any'}
            min={min}
            max={max}
            onInput={(event) => onChange(event.currentTarget.value)}
          />
        )
      }
    </Field>
  );
}

/** Those that are left empty at the end are left away; before that, nothing stands in their place. */
function argumentsOf(specs: readonly ArgumentView[], texts: Readonly<Record<string, string>>): Argument[] {
  const args = specs.map(({ name, type }): Argument => {
    const text = texts[name] ?? '';
    if (text === '') return null;
    if (type === 'text') return text;
    return type === 'boolean' ? text === 'true' : Number(text);
  });
  while (args.length > 0 && args.at(-1) === null) args.pop();
  return args;
}

function History({
  onAgain,
  isBusy,
}: {
  onAgain: (peer: string, command: string, args: readonly Argument[]) => void;
  isBusy: boolean;
}): JSX.Element {
  const history = useLog<AskedView>('answers').entries.slice(-HISTORY).reverse();
  return (
    <Card title="Answers">
      <div aria-live="polite">
        {history.length === 0 && <p class="empty">What you ask is answered here.</p>}
        {history.map(({ id, at, peer, command, args, answer }) => (
          <article key={id} class="answer" aria-label={`${command} of ${peer}`}>
            <div class="row">
              <strong>
                {peer}: {[command, ...args].join(' ')}
              </strong>
              <span class="spacer" />
              <span class="soft number">
                {answer.ok &&
                  `${ms(answer.roundTripMs)}${answer.tries > 1 ? `, ${answer.tries} tries` : ''}, `}
                {clockTime(at)}
              </span>
              <button
                type="button"
                class="quiet"
                disabled={isBusy}
                aria-label={`Ask ${command} of ${peer} again`}
                onClick={() => onAgain(peer, command, args)}
              >
                Again
              </button>
            </div>
            {answer.ok ? <ValueText value={answer.value} /> : <Trouble error={answer.error} />}
          </article>
        ))}
      </div>
    </Card>
  );
}

const VALUES_SHOWN = 300;

function Watches(): JSX.Element | null {
  const watches = useMap<WatchView>('watches');
  const { entries } = useLog<WatchValueView>('watchValues');
  if (watches.size === 0) return null;
  return (
    <>
      {[...watches.values()].map((watch) => (
        <Watched
          key={watch.id}
          watch={watch}
          values={entries.filter(({ id }) => id === watch.id).slice(-VALUES_SHOWN)}
        />
      ))}
    </>
  );
}

/** Later than that, in times of what was asked for, something is missing between two values. */
const LATE = 3;
const LEAST_GAP_MS = 2_000;

/** No line is drawn where nothing was heard. */
function withGaps(values: readonly WatchValueView[], everyMs: number): Point[] {
  const gapMs = Math.max(LATE * everyMs, LEAST_GAP_MS);
  return values.flatMap(({ at, value }, i) => {
    const before = values[i - 1]?.at;
    const point = { at, value: value as number };
    return before !== undefined && at - before > gapMs ? [{ at: before + 1, value: null }, point] : [point];
  });
}

const STATES = { running: 'live', silent: 'nothing is heard; still asking', ended: 'ended' } as const;

function Watched({ watch, values }: { watch: WatchView; values: readonly WatchValueView[] }): JSX.Element {
  const task = useTask();
  const latest = values.at(-1);
  const isNumeric = values.length > 0 && values.every(({ value }) => typeof value === 'number');
  const what = [watch.command, ...watch.args.filter((arg) => arg !== null)].join(' ');
  const missed = watch.missed > 0 ? `, ${watch.missed} missing` : '';
  return (
    <Card title={`Watching ${what} of ${watch.peer}`}>
      <p class="soft">
        {STATES[watch.state]}, {watch.count} values{missed}
      </p>
      {isNumeric && (
        <Chart
          points={withGaps(values, watch.everyMs)}
          unit=""
          label={`${what} of ${watch.peer}: ${String(latest?.value)} at last`}
        />
      )}
      {latest && <ValueText value={latest.value} />}
      <Trouble error={watch.error} />
      <button
        type="button"
        disabled={task.isBusy}
        onClick={() => void task.run(() => call('ask/unwatch', { id: watch.id }))}
      >
        {watch.state === 'ended' ? 'Clear' : 'Stop watching'}
      </button>
      <Trouble error={task.error} />
    </Card>
  );
}
