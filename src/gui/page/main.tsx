import { render } from 'preact';
import type { ErrorView } from '../api.ts';
import { App } from './app.tsx';
import { follow } from './live.ts';
import { enter, tellUsed, tokenInAddress } from './session.ts';
import './style.css';

for (const event of ['pointerdown', 'keydown']) addEventListener(event, tellUsed, { passive: true });
// Another link in the same tab changes nothing but what is behind the "#": that alone loads no page.
addEventListener('hashchange', () => {
  if (tokenInAddress() !== null) location.reload();
});
// A link that opens nothing leaves what there was: the session of before, if there is one.
const refusal = await enter().then(
  () => null,
  (error: unknown) => error as ErrorView,
);
render(<App refusal={refusal} />, document.getElementById('app') as HTMLElement);
await follow();
