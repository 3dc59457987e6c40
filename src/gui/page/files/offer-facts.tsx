import type { JSX } from 'preact';
import type { OfferView } from '../../api.ts';
import { bytes, day } from '../ui/format.ts';

/** All that is known of an offer before its content comes. */
export function OfferFacts({ offer }: { offer: OfferView }): JSX.Element {
  const { kind, name, size, files, id, modifiedAt, isExecutable } = offer;
  return (
    <dl class="facts">
      <dt>Name</dt>
      <dd>{name}</dd>
      <dt>Size</dt>
      <dd>
        {bytes(size)}
        {kind === 'folder' && `, ${files} files`}
      </dd>
      <dt>Changed</dt>
      <dd>{day(modifiedAt)}</dd>
      <dt>Hash</dt>
      <dd>
        <code>{id.slice(0, 16)}…</code>
      </dd>
      {isExecutable && (
        <>
          <dt>Mind</dt>
          <dd>It is marked as a program that can be run.</dd>
        </>
      )}
    </dl>
  );
}
