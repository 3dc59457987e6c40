/** `udp-tool gui`: a machine, and the page from which a person uses it. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Address, UdpToolError } from '../index.ts';
import { loadAssets } from './assets.ts';
import { Door } from './door.ts';
import { type Feature, MachineSlot } from './feature.ts';
import { Ask } from './features/ask.ts';
import { Chat } from './features/chat.ts';
import { Doctor } from './features/doctor.ts';
import { Files } from './features/files.ts';
import { Peers } from './features/peers.ts';
import { Setup } from './features/setup.ts';
import { Wire } from './features/wire.ts';
import { HttpServer } from './http-server.ts';
import { LiveHub } from './live.ts';
import { Machine, type MachineOptions } from './machine.ts';

export interface GuiOptions extends MachineOptions {
  /**
   * Of the page, on loopback; any free one if not given. Not the one of the last time: another user may have had it since,
   * and a browser keeps what it was shown there (service workers, files) for the next page of that port.
   */
  readonly webPort?: number;
  /** Where the page's files are. */
  readonly assets: URL;
  readonly isReadOnly: boolean;
  /** After so long without a person, milliseconds, a page is logged out. */
  readonly idleMs: number;
  /** Where this machine waits to be paired; the usual one if not given, 0 for any free one. */
  readonly pairingPort?: number;
  /** This machine has a key, and answers peers there; or asks from there, where another program has the port. */
  readonly onRunning?: (addresses: readonly Address[], isPortTaken: boolean) => void;
}

export class Gui implements AsyncDisposable {
  readonly #door: Door;
  readonly #http: HttpServer;
  readonly #slot: MachineSlot;
  readonly #features: readonly Feature[];

  private constructor(door: Door, http: HttpServer, slot: MachineSlot, features: readonly Feature[]) {
    this.#door = door;
    this.#http = http;
    this.#slot = slot;
    this.#features = features;
  }

  /** @throws UdpToolError `port-in-use`, `no-permission`; what ails the keys is shown on the page */
  static async begin(options: GuiOptions): Promise<Gui> {
    const hub = new LiveHub();
    const slot = new MachineSlot();
    const features: Feature[] = [];
    const begin = async (): Promise<void> => {
      if (slot.isFilled) return;
      const machine = await Machine.begin(options);
      slot.fill(machine);
      options.onRunning?.(machine.endpoint.addresses, machine.isPortTaken);
      for (const feature of features) await feature.begin?.(machine);
    };
    // One after the other: the key may be made by two pages at once.
    let running: Promise<unknown> = Promise.resolve();
    const run = (): Promise<void> => {
      const done = running.then(begin);
      running = done.catch(() => {});
      return done;
    };
    const setup = new Setup(hub, {
      store: options.store,
      port: options.port,
      ...(options.ip !== undefined && { ip: options.ip }),
      ...(options.pairingPort !== undefined && { pairingPort: options.pairingPort }),
      isReadOnly: options.isReadOnly,
      onKey: run,
    });
    features.push(
      setup,
      new Peers(hub, slot),
      new Ask(hub, slot),
      new Chat(hub, slot, options.onTrouble),
      new Files(hub, slot, options),
      new Wire(hub, slot),
      new Doctor(options.store),
    );
    // Sessions stood in it, which outlived udp-tool; nothing of the door is kept any more.
    await rm(join(options.stateDir, 'gui.json'), { force: true }).catch(() => {});
    const door = new Door({ now: Date.now, idleMs: options.idleMs });
    const assets = await loadAssets(options.assets);
    const actions = features.flatMap((feature) => feature.actions);
    const uploads = features.flatMap((feature) => feature.uploads ?? []);
    const http = await HttpServer.open(
      { door, hub, actions, uploads, assets, isReadOnly: options.isReadOnly },
      options.webPort ?? 0,
    );
    await run().catch((error: unknown) => {
      if (!(error instanceof UdpToolError)) throw error;
      if (error.code !== 'key-missing') setup.failed(error);
    });
    return new Gui(door, http, slot, features);
  }

  get webPort(): number {
    return this.#http.port;
  }

  /** Where peers ask this machine; nowhere while it has no key. */
  get addresses(): readonly Address[] {
    return this.#slot.isFilled ? this.#slot.machine.endpoint.addresses : [];
  }

  /** Opens the page once; the link before it does no longer. */
  newLink(): string {
    return `http://127.0.0.1:${this.#http.port}/#${this.#door.newToken()}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http[Symbol.asyncDispose]();
    for (const feature of this.#features) await feature.end?.();
    if (this.#slot.isFilled) await this.#slot.machine[Symbol.asyncDispose]();
  }
}
