/** What peers offer, and getting it. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { FoundView, LookView, StatusView } from '../../api.ts';
import { useMap } from '../live.ts';
import { call } from '../session.ts';
import { bytes } from '../ui/format.ts';
import { Card, Field, Trouble, useTask } from '../ui/parts.tsx';

const ROWS = 100;

export function PeerOffers({ inbox }: { inbox: string }): JSX.Element {
  const [look, setLook] = useState<LookView | null>(null);
  const [filter, setFilter] = useState('');
  const [shown, setShown] = useState(ROWS);
  const task = useTask();
  const lookAgain = (): void => void task.run(async () => setLook(await call<LookView>('files/look')));
  // Once.
  useEffect(lookAgain, []);
  const found = (look?.found ?? []).filter(({ offer }) =>
    offer.name.toLowerCase().includes(filter.toLowerCase()),
  );
  const away = (look?.errors ?? []).filter(({ error }) => error.code !== 'not-offered');
  return (
    <Card title="What peers offer">
      <div class="row">
        <button type="button" disabled={task.isBusy} onClick={lookAgain}>
          {task.isBusy ? 'Looking …' : 'Look again'}
        </button>
        <span class="hint">
          What you get comes into <code>{inbox}</code>
        </span>
      </div>
      <Trouble error={task.error} />
      {(look?.found.length ?? 0) > 10 && (
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
      {look !== null && found.length === 0 && <p class="empty">Nothing.</p>}
      <ul class="offers">
        {found.slice(0, shown).map((one) => (
          <OfferRow key={one.key} found={one} />
        ))}
      </ul>
      {found.length > shown && (
        <button type="button" onClick={() => setShown(shown + 10 * ROWS)}>
          Show more ({found.length - shown})
        </button>
      )}
      {away.length > 0 && (
        <p class="soft">
          No answer of{' '}
          {away
            .map(({ peer }) => peer)
            .slice(0, 20)
            .join(', ')}
          .
        </p>
      )}
    </Card>
  );
}

function OfferRow({ found: { key, offer, peers } }: { found: FoundView }): JSX.Element {
  const isReadOnly = useMap<StatusView>('status').get('machine')?.isReadOnly === true;
  const task = useTask();
  const what = offer.kind === 'folder' ? `${bytes(offer.size)}, ${offer.files} files` : bytes(offer.size);
  return (
    <li>
      <div class="row">
        <strong class="name">{offer.kind === 'folder' ? `${offer.name}/` : offer.name}</strong>
        <span class="soft">
          {what}, of {peers.join(', ')}
        </span>
        <span class="spacer" />
        <button
          type="button"
          disabled={task.isBusy || isReadOnly}
          aria-label={`Get: ${offer.name}`}
          onClick={() => void task.run(() => call('files/get', { key }))}
        >
          Get
        </button>
      </div>
      <Trouble error={task.error} />
    </li>
  );
}
