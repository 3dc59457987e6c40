/** What this machine offers, what peers offer, and what is under way. */
import type { JSX } from 'preact';
import type { FilesView } from '../../api.ts';
import { useMap } from '../live.ts';
import { Trouble } from '../ui/parts.tsx';
import { GiveFiles } from './give-files.tsx';
import { PeerOffers } from './peer-offers.tsx';
import { SharedFiles } from './shared-files.tsx';
import { TransferList } from './transfer-list.tsx';

export function FilesPage(): JSX.Element {
  const files = useMap<FilesView>('files').get('now');
  return (
    <>
      <Trouble error={files?.error} />
      <div class="columns even">
        <div>
          <TransferList />
          <PeerOffers inbox={files?.inbox ?? ''} />
        </div>
        <div>
          <GiveFiles />
          <SharedFiles />
        </div>
      </div>
    </>
  );
}
