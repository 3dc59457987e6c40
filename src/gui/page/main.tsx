import { render } from 'preact';
import { App } from './app.tsx';
import { follow } from './live.ts';
import { enter, tellUsed } from './session.ts';
import './style.css';

for (const event of ['pointerdown', 'keydown']) addEventListener(event, tellUsed, { passive: true });
// A token that is too old leaves what there was: the session of before, if there is one.
await enter().catch(() => {});
render(<App />, document.getElementById('app') as HTMLElement);
await follow();
