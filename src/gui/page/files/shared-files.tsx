/** What this machine offers, and to whom. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { PeerView, SharedView, StatusView } from '../../api.ts';
import { useMap } from '../live.ts';
import { call } from '../session.ts';
import { bytes } from '../ui/format.ts';
import { Card, Trouble, useTask } from '../ui/parts.tsx';
import { PeerChoice } from './peer-choice.tsx';

export function SharedFiles(): JSX.Element {
  const shared = [...useMap<SharedView>('shared').values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return (
    <Card title="What you offer">
      {shared.length === 0 && <p class="empty">Nothing yet.</p>}
      <ul class="offers">
        {shared.map((one) => (
          <SharedRow key={one.path} shared={one} />
        ))}
      </ul>
    </Card>
  );
}

function SharedRow({ shared }: { shared: SharedView }): JSX.Element {
  const { path, name, to, offer, skipped, error } = shared;
  const isReadOnly = useMap<StatusView>('status').get('machine')?.isReadOnly === true;
  const [isChanging, setChanging] = useState(false);
  const task = useTask();
  return (
    <li>
      <div class="row">
        <strong class="name">{offer?.kind === 'folder' ? `${name}/` : name}</strong>
        <span class="soft">{told(shared)}</span>
        <span class="spacer" />
        <button
          type="button"
          class="quiet"
          aria-expanded={isChanging}
          aria-label={`To whom ${name} is offered: ${toWhom(to)}`}
          onClick={() => setChanging(!isChanging)}
        >
          {toWhom(to)}
        </button>
        <button
          type="button"
          class="danger"
          disabled={task.isBusy || isReadOnly}
          aria-label={`Remove: ${name}`}
          onClick={() => void task.run(() => call('files/unshare', { path }))}
        >
          Remove
        </button>
      </div>
      {isChanging && (
        <PeerChoice
          label={`Who may get ${name}`}
          to={to}
          isDisabled={isReadOnly || task.isBusy}
          onChange={(names) =>
            void task.run(() => call('files/offer-to', { path, ...(names !== null && { to: names }) }))
          }
        />
      )}
      {skipped > 0 && <p class="hint">{skipped} things in it cannot be sent, and are left out.</p>}
      <p class="hint">{path}</p>
      <Trouble error={error ?? task.error} />
    </li>
  );
}

function told({ state, hashed, offer }: SharedView): string {
  if (state === 'hashing') return `is being read: ${Math.floor(hashed * 100)} %`;
  if (offer === null) return 'is not there';
  return offer.kind === 'folder' ? `${bytes(offer.size)}, ${offer.files} files` : bytes(offer.size);
}

function toWhom(to: PeerView['allow'] | null): string {
  if (to === null) return 'to every peer';
  if (to.length === 0) return 'to nobody';
  return to.length > 3 ? `to ${to.length} peers` : `to ${to.join(', ')}`;
}
