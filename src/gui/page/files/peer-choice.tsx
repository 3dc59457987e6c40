import type { JSX } from 'preact';
import { useId } from 'preact/hooks';
import type { PeerView } from '../../api.ts';
import { useMap } from '../live.ts';

/** Every peer, or some of them. */
export function PeerChoice({
  label,
  to,
  isDisabled = false,
  onChange,
}: {
  label: string;
  /** Null for every peer. */
  to: readonly string[] | null;
  isDisabled?: boolean;
  onChange: (to: readonly string[] | null) => void;
}): JSX.Element {
  const names = [...useMap<PeerView>('peers').keys()].sort();
  const group = useId();
  return (
    <fieldset class="choice" disabled={isDisabled}>
      <legend>{label}</legend>
      <label>
        <input type="radio" name={group} checked={to === null} onChange={() => onChange(null)} /> every peer
      </label>
      <label>
        <input type="radio" name={group} checked={to !== null} onChange={() => onChange([])} /> only these:
      </label>
      {to !== null && (
        <div class="names">
          {names.map((name) => (
            <label key={name}>
              <input
                type="checkbox"
                checked={to.includes(name)}
                onChange={({ currentTarget }) =>
                  onChange(currentTarget.checked ? [...to, name] : to.filter((one) => one !== name))
                }
              />{' '}
              {name}
            </label>
          ))}
        </div>
      )}
    </fieldset>
  );
}
