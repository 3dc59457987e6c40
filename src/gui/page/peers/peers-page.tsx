/** Who is trusted, who is there, and what they may call. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { OwnCommandView, PeerView, PingView, StatusView } from '../../api.ts';
import { useMap } from '../live.ts';
import { href } from '../route.ts';
import { call } from '../session.ts';
import { Chart, type Point } from '../ui/chart.tsx';
import { ago, ms, shortKey } from '../ui/format.ts';
import { Card, Confirmed, CopyLine, Field, Trouble, useTask } from '../ui/parts.tsx';
import { ReadQr } from './read-qr.tsx';

export function PeersPage({ name }: { name: string | undefined }): JSX.Element {
  const peers = useMap<PeerView>('peers');
  const chosen = name === undefined ? undefined : peers.get(name);
  return (
    <div class="columns">
      <div>
        <PeerList peers={peers} chosen={name} />
        <AddPeer />
      </div>
      <div>
        {chosen && <PeerDetail key={chosen.name} peer={chosen} />}
        {!chosen && peers.size > 0 && <p class="empty">Choose a peer to see how it is reached.</p>}
      </div>
    </div>
  );
}

/** Rows that are in the document at first, and more each time somebody asks. */
const ROWS = 100;

function PeerList({
  peers,
  chosen,
}: {
  peers: ReadonlyMap<string, PeerView>;
  chosen: string | undefined;
}): JSX.Element {
  const [filter, setFilter] = useState('');
  const [shown, setShown] = useState(ROWS);
  const names = useMemo(
    () => [...peers.keys()].filter((name) => name.toLowerCase().includes(filter.toLowerCase())).sort(),
    [peers, filter],
  );
  if (peers.size === 0)
    return (
      <Card title="No peers yet">
        <p>Both machines trust each other once you have compared six digits:</p>
        <a class="button" href={href('this')}>
          Pair with another machine
        </a>
      </Card>
    );
  return (
    <Card title={`${peers.size} ${peers.size === 1 ? 'peer' : 'peers'}`}>
      {peers.size > 10 && (
        <Field label="Find">
          {(ids) => (
            <input
              {...ids}
              type="search"
              value={filter}
              onInput={(event) => setFilter(event.currentTarget.value)}
            />
          )}
        </Field>
      )}
      <ul class="list">
        {names.slice(0, shown).map((name) => (
          <PeerRow key={name} peer={peers.get(name) as PeerView} isChosen={name === chosen} />
        ))}
      </ul>
      {names.length > shown && (
        <button type="button" onClick={() => setShown(shown + 10 * ROWS)}>
          Show more ({names.length - shown})
        </button>
      )}
    </Card>
  );
}

function PeerRow({ peer, isChosen }: { peer: PeerView; isChosen: boolean }): JSX.Element {
  return (
    <li>
      <a href={href('peers', peer.name)} aria-current={isChosen ? 'true' : undefined} class="row">
        <span class={`dot ${presence(peer)}`} />
        <strong>{peer.name}</strong>
        <span class="soft">{wayTo(peer)}</span>
        <span class="spacer" />
        <span class="soft number">{ms(peer.path?.roundTripMs)}</span>
      </a>
    </li>
  );
}

function presence({ isPaused, isThere }: PeerView): string {
  if (isPaused) return 'paused';
  return isThere === null ? 'unknown' : isThere ? 'there' : 'away';
}

const WAYS = { direct: 'direct', lan: 'local network', punched: 'punched', relayed: 'relayed' } as const;

function wayTo({ at, isPaused, isThere, path }: PeerView): string {
  if (isPaused) return 'paused';
  if (isThere === false) return 'not there';
  if (path === null && isThere !== null) return at === undefined ? 'asks only' : 'was here';
  if (path === null) return 'looking';
  return path.via === undefined ? WAYS[path.kind] : `${WAYS[path.kind]} by ${path.via}`;
}

function PeerDetail({ peer }: { peer: PeerView }): JSX.Element {
  const task = useTask();
  const isReadOnly = useMap<StatusView>('status').get('machine')?.isReadOnly === true;
  const { name, isPaused } = peer;
  return (
    <Card title={name}>
      <dl class="facts">
        <dt>Key</dt>
        <dd>
          <CopyLine text={peer.publicKey} label={`Public key of ${name}`} />
        </dd>
        <dt>Way</dt>
        <dd>
          {wayTo(peer)}
          {peer.path && ` (${peer.path.address})`}
        </dd>
        <dt>Last seen</dt>
        <dd>{ago(peer.lastSeenAt)}</dd>
        {peer.hasPsk && (
          <>
            <dt>Pre-shared key</dt>
            <dd>yes, beside its public key</dd>
          </>
        )}
      </dl>
      {!isPaused && <RoundTrips name={name} />}
      {!isPaused && (
        <p class="row">
          <a class="button" href={href('ask', name)}>
            Ask {name}
          </a>
          <a class="button" href={href('chat', name)}>
            Write to {name}
          </a>
          <a class="button" href={href('doctor', name)}>
            Examine {name}
          </a>
        </p>
      )}
      <MayCall peer={peer} isReadOnly={isReadOnly} />
      <div class="row">
        <button
          type="button"
          disabled={task.isBusy || isReadOnly}
          onClick={() => task.run(() => call('peers/pause', { name, isPaused: !isPaused }))}
        >
          {isPaused ? 'Trust again' : 'Pause'}
        </button>
        <Confirmed
          label="Remove"
          question={`Trust "${name}" no longer? Its key has to be added anew to undo this.`}
          isDisabled={isReadOnly}
          onYes={() =>
            void task.run(async () => {
              await call('peers/remove', { name });
              location.hash = href('peers');
            })
          }
        />
      </div>
      <Trouble error={task.error} />
    </Card>
  );
}

const PING_EVERY_MS = 1_000;
const PINGS_SHOWN = 120;

/** Asks the peer once a second, while anybody looks. */
function RoundTrips({ name }: { name: string }): JSX.Element {
  const [points, setPoints] = useState<readonly Point[]>([]);
  useEffect(() => {
    const gone = new AbortController();
    const ping = async (): Promise<void> => {
      if (document.hidden) return;
      const at = Date.now();
      try {
        const { roundTripMs } = await call<PingView>('peers/ping', { name }, gone.signal);
        setPoints((before) => [...before, { at, value: roundTripMs }].slice(-PINGS_SHOWN));
      } catch {} // udp-tool is away, which the page says
    };
    void ping();
    const timer = setInterval(() => void ping(), PING_EVERY_MS);
    return () => {
      clearInterval(timer);
      gone.abort();
    };
  }, [name]);
  const times = points.map(({ value }) => value).filter((value) => value !== null);
  const lost = points.length - times.length;
  const middle = times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)];
  const loss = points.length === 0 ? '' : `${Math.round((100 * lost) / points.length)} % lost`;
  const words = times.length === 0 ? loss : `median ${ms(middle)}, ${loss}`;
  return (
    <>
      <h3>Round trip</h3>
      <p class="soft">{points.length === 0 ? 'Asking …' : `${words} of ${points.length}`}</p>
      <Chart points={points} unit=" ms" label={`Round trip to ${name}: ${words}`} />
    </>
  );
}

const EVERY = '*';

function MayCall({ peer, isReadOnly }: { peer: PeerView; isReadOnly: boolean }): JSX.Element {
  const commands = useMap<OwnCommandView>('commands');
  const task = useTask();
  const { name, allow, deny } = peer;
  const hasAll = allow.includes(EVERY);
  const permit = (command: string, isAllowed: boolean): void =>
    void task.run(() => call('peers/permit', { name, command, isAllowed }));
  return (
    <fieldset class="may-call" disabled={isReadOnly || task.isBusy}>
      <legend>What {name} may call here</legend>
      <label>
        <input
          type="checkbox"
          checked={hasAll}
          onChange={(event) => permit(EVERY, event.currentTarget.checked)}
        />
        everything, what is added later too
      </label>
      {[...commands.values()].map((command) => (
        <label key={command.name}>
          <input
            type="checkbox"
            checked={(hasAll || allow.includes(command.name)) && !deny.includes(command.name)}
            onChange={(event) => permit(command.name, event.currentTarget.checked)}
          />
          <span>
            <code>{command.name}</code> <span class="soft">{command.summary}</span>
          </span>
        </label>
      ))}
      <Trouble error={task.error} />
    </fieldset>
  );
}

function AddPeer(): JSX.Element | null {
  const status = useMap<StatusView>('status').get('machine');
  const [line, setLine] = useState('');
  const [name, setName] = useState('');
  const task = useTask();
  const add = async (event: Event): Promise<void> => {
    event.preventDefault();
    const done = await task.run(async () => {
      const added = await call<{ name: string }>('peers/add', { line, ...(name !== '' && { name }) });
      location.hash = href('peers', added.name);
    });
    if (!done) return;
    setLine('');
    setName('');
  };
  if (status?.isReadOnly) return null;
  return (
    <Card title="Add a peer">
      <p>
        Easiest is to <a href={href('this')}>pair with it</a>. Or read the code that the other machine shows,
        or paste its line:
      </p>
      <ReadQr onRead={setLine} />
      <form onSubmit={add}>
        <Field
          label="Line or public key"
          hint={`Such as: udp-tool peer add pi ${shortKey('udp1qqqqqqqqqqqqqqqqqqqq')} --at 192.168.2.3:9999`}
        >
          {(ids) => (
            <textarea
              {...ids}
              rows={3}
              required
              value={line}
              onInput={(event) => setLine(event.currentTarget.value)}
            />
          )}
        </Field>
        <Field label="Name here" hint="The one in the line, if left empty.">
          {(ids) => (
            <input
              {...ids}
              value={name}
              maxLength={32}
              onInput={(event) => setName(event.currentTarget.value)}
            />
          )}
        </Field>
        <button type="submit" disabled={task.isBusy}>
          Trust it
        </button>
        <Trouble error={task.error} />
      </form>
    </Card>
  );
}
