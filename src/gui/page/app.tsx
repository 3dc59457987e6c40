/** What is around every page: where one can go, and whether udp-tool is there. */
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { ErrorView, StatusView } from '../api.ts';
import { AskPage } from './ask/ask-page.tsx';
import { ChatPage, useUnread } from './chat/chat-page.tsx';
import { DoctorPage } from './doctor/doctor-page.tsx';
import { FilesPage } from './files/files-page.tsx';
import { useAsked } from './files/transfer-list.tsx';
import { type Connection, useConnection, useMap } from './live.ts';
import { PeersPage } from './peers/peers-page.tsx';
import { href, useRoute } from './route.ts';
import { leave } from './session.ts';
import { SetupPage } from './setup/setup-page.tsx';
import { Trouble } from './ui/parts.tsx';
import { WirePage } from './wire/wire-page.tsx';

interface Page {
  readonly path: string;
  readonly title: string;
  readonly show: (rest: readonly string[]) => JSX.Element;
}

const PAGES: readonly Page[] = [
  { path: 'peers', title: 'Peers', show: ([name]) => <PeersPage name={name} /> },
  { path: 'ask', title: 'Ask', show: ([peer]) => <AskPage peer={peer} /> },
  { path: 'chat', title: 'Chat', show: ([peer]) => <ChatPage peer={peer} /> },
  { path: 'files', title: 'Files', show: () => <FilesPage /> },
  { path: 'wire', title: 'Wire', show: () => <WirePage /> },
  { path: 'doctor', title: 'Doctor', show: ([peer]) => <DoctorPage peer={peer} /> },
  { path: 'this', title: 'This machine', show: () => <SetupPage /> },
];

/** @param refusal why the link that was opened does not */
export function App({ refusal }: { refusal: ErrorView | null }): JSX.Element {
  const connection = useConnection();
  const status = useMap<StatusView>('status').get('machine');
  const [path, ...rest] = useRoute();
  const page = PAGES.find((one) => one.path === path) ?? (PAGES[0] as Page);
  const unread = useUnread();
  const asked = useAsked();
  const news: Readonly<Record<string, string>> = {
    ...(unread > 0 && { chat: `${unread} new` }),
    ...(asked > 0 && { files: `${asked} to answer` }),
  };
  const hasKey = status?.state === 'running';
  const title = hasKey ? page.title : 'Welcome';
  const heading = useRef<HTMLHeadingElement>(null);
  const isFirst = useRef(true);
  useEffect(() => {
    // Who listens to the page hears that it is another one.
    if (!isFirst.current) heading.current?.focus();
    isFirst.current = false;
  }, [title]);
  useEffect(() => {
    document.title = `${unread + asked > 0 ? `(${unread + asked}) ` : ''}${title} · udp-tool`;
  }, [title, unread, asked]);
  if (connection === 'logged-out') return <LoggedOut refusal={refusal} />;
  return (
    <>
      <button type="button" class="skip" onClick={() => heading.current?.focus()}>
        Skip to the content
      </button>
      <header class="top">
        <span class="brand">
          <img src="/icon.svg" alt="" width="24" height="24" /> udp-tool
        </span>
        {hasKey && (
          <nav aria-label="Pages">
            {PAGES.map((one) => (
              <a key={one.path} href={href(one.path)} aria-current={one === page ? 'page' : undefined}>
                {one.title} {news[one.path] !== undefined && <span class="count">{news[one.path]}</span>}
              </a>
            ))}
          </nav>
        )}
        <span class="spacer" />
        <ConnectionMark connection={connection} />
        <button type="button" class="quiet" onClick={() => void leave()}>
          Log out
        </button>
      </header>
      <main id="content" aria-busy={status === undefined}>
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {connection === 'away' && (
          <p class="notice">
            Was udp-tool started anew? Then open the link that it shows: this page is over.
          </p>
        )}
        {status?.isReadOnly && <p class="notice">This page only looks: it was started with --read-only.</p>}
        {status?.isPortTaken && (
          <p class="notice">
            Another udp-tool has the port that peers know, and answers them. From here you can ask.
          </p>
        )}
        {status?.error && <Trouble error={status.error} />}
        {status && (hasKey ? page.show(rest) : status.state === 'no-key' && <SetupPage />)}
      </main>
    </>
  );
}

const CONNECTIONS: Record<Connection, string> = {
  connecting: 'Connecting',
  live: 'Live',
  away: 'udp-tool does not answer; waiting for it',
  'logged-out': 'Logged out',
};

function ConnectionMark({ connection }: { connection: Connection }): JSX.Element {
  return (
    <span class={`connection ${connection}`} role="status">
      {CONNECTIONS[connection]}
    </span>
  );
}

function LoggedOut({ refusal }: { refusal: ErrorView | null }): JSX.Element {
  return (
    <main class="logged-out">
      <h1>Logged out</h1>
      <Trouble error={refusal} />
      <p>
        Where <code>udp-tool gui</code> runs, press Enter for a new link, and open that.
      </p>
    </main>
  );
}
