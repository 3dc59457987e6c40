/** `udp-tool gui`: a machine, and the page from which a person uses it. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UdpToolError } from '../index.ts';
import { loadAssets } from './assets.ts';
import { Door, type StoredSession } from './door.ts';
import { type Feature, MachineSlot } from './feature.ts';
import { Ask } from './features/ask.ts';
import { Chat } from './features/chat.ts';
import { Peers } from './features/peers.ts';
import { Setup } from './features/setup.ts';
import { HttpServer } from './http-server.ts';
import { LiveHub } from './live.ts';
import { Machine, type MachineOptions } from './machine.ts';

export interface GuiOptions extends MachineOptions {
  /** Of the page, on loopback; the one of the last time, else any free one, if not given. */
  readonly webPort?: number;
  /** Where the page's files are. */
  readonly assets: URL;
  readonly isReadOnly: boolean;
  /** After so long without a person, milliseconds, a page is logged out. */
  readonly idleMs: number;
}

/** What a restart keeps, so that an open page goes on: nothing in it opens the door. */
interface GuiState {
  readonly webPort: number;
  readonly sessions: readonly StoredSession[];
}

const STATE_FILE = 'gui.json';

export class Gui implements AsyncDisposable {
  readonly #door: Door;
  readonly #http: HttpServer;
  readonly #slot: MachineSlot;

  private constructor(door: Door, http: HttpServer, slot: MachineSlot) {
    this.#door = door;
    this.#http = http;
    this.#slot = slot;
  }

  /** @throws UdpToolError `port-in-use`, `no-permission`; what ails the keys is shown on the page */
  static async begin(options: GuiOptions): Promise<Gui> {
    const hub = new LiveHub();
    const slot = new MachineSlot();
    const features: Feature[] = [];
    const run = async (): Promise<void> => {
      if (slot.isFilled) return;
      const machine = await Machine.begin(options);
      slot.fill(machine);
      for (const feature of features) await feature.begin?.(machine);
    };
    const setup = new Setup(hub, {
      store: options.store,
      port: options.port,
      isReadOnly: options.isReadOnly,
      onKey: run,
    });
    features.push(setup, new Peers(hub, slot), new Ask(hub, slot), new Chat(hub, slot, options.onTrouble));
    const state = new StateFile(options.stateDir);
    const before = await state.read();
    const door = new Door({
      now: Date.now,
      idleMs: options.idleMs,
      sessions: before.sessions,
      onChange: (sessions) => void state.write({ webPort: http.port, sessions }),
    });
    const assets = await loadAssets(options.assets);
    const actions = features.flatMap((feature) => feature.actions);
    const http = await openHttp(
      { door, hub, actions, assets, isReadOnly: options.isReadOnly },
      options.webPort,
      before.webPort,
    );
    await run().catch((error: unknown) => {
      if (!(error instanceof UdpToolError)) throw error;
      if (error.code !== 'key-missing') setup.failed(error);
    });
    return new Gui(door, http, slot);
  }

  get webPort(): number {
    return this.#http.port;
  }

  /** Opens the page once; the link before it does no longer. */
  newLink(): string {
    return `http://127.0.0.1:${this.#http.port}/#${this.#door.newToken()}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http[Symbol.asyncDispose]();
    if (this.#slot.isFilled) await this.#slot.machine[Symbol.asyncDispose]();
  }
}

/** Where it was before, if it can, so that pages that are open find it again. */
async function openHttp(
  options: Parameters<typeof HttpServer.open>[0],
  wanted: number | undefined,
  before: number,
): Promise<HttpServer> {
  if (wanted !== undefined) return HttpServer.open(options, wanted);
  try {
    return await HttpServer.open(options, before);
  } catch (error) {
    if (!(error instanceof UdpToolError) || error.code !== 'port-in-use') throw error;
    return HttpServer.open(options, 0);
  }
}

class StateFile {
  readonly #dir: string;
  /** One after the other. */
  #writing: Promise<void> = Promise.resolve();

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** What cannot be read is as if it were not there: a page that was open has to be opened anew. */
  async read(): Promise<GuiState> {
    try {
      const { webPort, sessions } = JSON.parse(await readFile(this.#path, 'utf8')) as GuiState;
      if (Number.isInteger(webPort) && Array.isArray(sessions)) return { webPort, sessions };
    } catch {}
    return { webPort: 0, sessions: [] };
  }

  write(state: GuiState): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      await mkdir(this.#dir, { recursive: true, mode: 0o700 });
      await writeFile(`${this.#path}.new`, JSON.stringify(state), { mode: 0o600 });
      await rename(`${this.#path}.new`, this.#path);
    });
    // Where it cannot be kept, a page has to be opened anew after a restart.
    this.#writing = this.#writing.catch(() => {});
    return this.#writing;
  }

  get #path(): string {
    return join(this.#dir, STATE_FILE);
  }
}
