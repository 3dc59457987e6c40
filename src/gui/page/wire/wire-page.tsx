/** Datagrams as they pass: what anybody on the way sees, beside what was in them. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { DatagramView, DropsView } from '../../api.ts';
import { useLog, useMap } from '../live.ts';
import { call } from '../session.ts';
import { clockTime } from '../ui/format.ts';
import { Card, Field } from '../ui/parts.tsx';
import { DROP_WORDS } from './drop-words.ts';

const SAY_EVERY_MS = 5_000;
const ROWS = 200;

export function WirePage(): JSX.Element {
  useLooking();
  const { entries, skipped } = useLog<DatagramView>('wire');
  /** What is shown while nothing new shall come. */
  const [held, setHeld] = useState<readonly DatagramView[] | null>(null);
  const [filter, setFilter] = useState('');
  const [chosen, setChosen] = useState<DatagramView | null>(null);
  const all = held ?? entries;
  const shown = useMemo(
    () =>
      all
        .filter((seen) => matches(seen, filter))
        .slice(-ROWS)
        .reverse(),
    [all, filter],
  );
  return (
    <>
      <p>
        Each line is a datagram of this machine. Choose one to see what anybody on the way sees of it, beside
        what was in it.
      </p>
      <div class="columns wire">
        <Card title="Datagrams">
          <div class="row">
            <button
              type="button"
              aria-pressed={held !== null}
              onClick={() => setHeld(held === null ? entries : null)}
            >
              {held === null ? 'Hold' : 'Go on'}
            </button>
            <Field label="Only with">
              {(ids) => (
                <input
                  {...ids}
                  type="search"
                  placeholder="pi, DATA, REQUEST, dropped"
                  value={filter}
                  onInput={(event) => setFilter(event.currentTarget.value)}
                />
              )}
            </Field>
          </div>
          {shown.length === 0 && (
            <p class="empty">Nothing passed since you look. Ask a peer something on another page.</p>
          )}
          {skipped > 0 && <p class="hint">{skipped} more passed too fast to be shown.</p>}
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard */}
          <section class="scroll" tabIndex={0} aria-label="Datagrams that passed">
            <table class="datagrams">
              <thead>
                <tr>
                  <th scope="col">Time</th>
                  <th scope="col">Way</th>
                  <th scope="col">Kind</th>
                  <th scope="col">Bytes</th>
                  <th scope="col">What was in it</th>
                </tr>
              </thead>
              <tbody>
                {shown.map((seen) => (
                  <Row
                    key={seen.number}
                    seen={seen}
                    isChosen={seen.number === chosen?.number}
                    onChoose={() => setChosen(seen)}
                  />
                ))}
              </tbody>
            </table>
          </section>
        </Card>
        <div>
          {chosen === null ? <Drops /> : <Both seen={chosen} />}
          {chosen !== null && <Drops />}
        </div>
      </div>
    </>
  );
}

/** udp-tool looks at datagrams only for as long as somebody looks at this page. */
function useLooking(): void {
  useEffect(() => {
    const look = (): void => {
      if (!document.hidden) call('wire/look').catch(() => {}); // it is away, which the page says
    };
    look();
    const timer = setInterval(look, SAY_EVERY_MS);
    return () => clearInterval(timer);
  }, []);
}

function matches(seen: DatagramView, filter: string): boolean {
  if (filter === '') return true;
  const { kind, peer = '', address, dropped, messages } = seen;
  const words = [kind ?? '', peer, address, dropped === undefined ? '' : `dropped ${dropped}`];
  const text = [...words, ...messages.map(({ name }) => name)].join(' ').toLowerCase();
  return text.includes(filter.toLowerCase());
}

interface RowProps {
  readonly seen: DatagramView;
  readonly isChosen: boolean;
  readonly onChoose: () => void;
}

function Row({ seen, isChosen, onChoose }: RowProps): JSX.Element {
  const { at, direction, address, length, kind, peer, dropped } = seen;
  return (
    <tr class={dropped === undefined ? direction : 'dropped'} aria-current={isChosen ? 'true' : undefined}>
      <td class="number">{clockTime(at)}</td>
      <td>
        {direction === 'sent' ? '→' : '←'}
        <span class="unheard">{direction === 'sent' ? 'to' : 'from'}</span> {peer ?? address}
      </td>
      <td>
        <button type="button" class="quiet" onClick={onChoose}>
          {kind ?? 'unknown'}
        </button>
      </td>
      <td class="number">{length}</td>
      <td class="one-line">{dropped === undefined ? inShort(seen) : `dropped: ${dropped}`}</td>
    </tr>
  );
}

function inShort({ messages, messageCount, kind }: DatagramView): string {
  if (messages.length === 0) return kind === 'DATA' ? '' : 'keys of a handshake';
  const names = messages.map(({ name, fields }) =>
    typeof fields['command'] === 'string' ? `${name} ${fields['command']}` : name,
  );
  return (
    names.join(', ') + (messageCount > messages.length ? ` and ${messageCount - messages.length} more` : '')
  );
}

/** The two views of one datagram. */
function Both({ seen }: { seen: DatagramView }): JSX.Element {
  const { direction, address, via, length, start, kind, peer, dropped, messages, messageCount } = seen;
  return (
    <>
      <Card title="What anybody on the way sees">
        <p>
          {length} bytes {direction === 'sent' ? 'to' : 'from'} {address}
          {via !== undefined && `, by way of ${via}`}
        </p>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard */}
        <pre class="value hex" tabIndex={0}>
          {hexLines(start)}
          {start.length / 2 < length && `\n… and ${length - start.length / 2} more`}
        </pre>
      </Card>
      <Card title="What was in it">
        {dropped !== undefined ? (
          <p class="notice">
            Dropped, and answered with silence: <strong>{dropped}</strong>. {DROP_WORDS[dropped]}
          </p>
        ) : (
          <p>
            {kind}
            {peer !== undefined && (direction === 'sent' ? `, sealed for ${peer}` : `, sealed by ${peer}`)}
          </p>
        )}
        {messages.map(({ name, fields }, i) => (
          // They never change. Without a name it is no landmark: there may be several of one kind.
          <section key={i} class="seen-message">
            <h3>{name}</h3>
            <dl class="facts">
              {Object.entries(fields).map(([field, value]) => (
                <Fact key={field} name={field} value={value} />
              ))}
            </dl>
          </section>
        ))}
        {messageCount > messages.length && <p>and {messageCount - messages.length} more messages</p>}
        {dropped === undefined && messages.length === 0 && (
          <p class="soft">Of a handshake, which makes the keys of a session: they are shown to nobody.</p>
        )}
      </Card>
    </>
  );
}

function Fact({ name, value }: { name: string; value: string | number }): JSX.Element {
  return (
    <>
      <dt>{name}</dt>
      <dd>
        <code>{value}</code>
      </dd>
    </>
  );
}

const BYTES_IN_LINE = 16;

function hexLines(hex: string): string {
  const pairs = hex.match(/../g) ?? [];
  const lines: string[] = [];
  for (let i = 0; i < pairs.length; i += BYTES_IN_LINE)
    lines.push(pairs.slice(i, i + BYTES_IN_LINE).join(' '));
  return lines.join('\n');
}

function Drops(): JSX.Element {
  const drops = [...useMap<DropsView>('drops')].sort(([, a], [, b]) => b.count - a.count);
  return (
    <Card title="Dropped, by reason">
      {drops.length === 0 && <p class="empty">Nothing was dropped since udp-tool began.</p>}
      {drops.length > 0 && (
        <table class="drops">
          <thead>
            <tr>
              <th scope="col">Reason</th>
              <th scope="col">Count</th>
              <th scope="col">Last</th>
            </tr>
          </thead>
          <tbody>
            {drops.map(([reason, { count, from, at }]) => (
              <tr key={reason}>
                <td>
                  <strong>{reason}</strong>
                  <p class="hint">{DROP_WORDS[reason]}</p>
                </td>
                <td class="number">{count}</td>
                <td>
                  {clockTime(at)}
                  <p class="hint">{from}</p>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Card>
  );
}
