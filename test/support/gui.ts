/** The page's other side, in this process, on a machine that is a folder; and a real browser. */
import { createSocket } from 'node:dgram';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { Gui, type GuiOptions } from '../../src/gui/gui.ts';
import {
  createEndpoint,
  formatAddress,
  type KeyPair,
  KeyStore,
  type UdpEndpoint,
  type UdpEndpointOptions,
} from '../../src/index.ts';
import { LOOPBACK } from './relay.ts';
import { TemporaryFolder } from './temporary-folder.ts';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);

/** Why no page can be looked at here; undefined where one can. */
export const NO_BROWSER: string | undefined = CHROMIUM === undefined ? 'there is no Chromium' : undefined;

/** Whatever is waited for on a page comes within this. */
const DEADLINE_MS = 15_000;

export interface DeskOptions extends Partial<GuiOptions> {
  readonly withKey?: boolean;
}

export class Desk implements AsyncDisposable {
  readonly gui: Gui;
  readonly store: KeyStore;
  readonly #folder: TemporaryFolder;
  readonly #peers: UdpEndpoint[] = [];

  private constructor(gui: Gui, store: KeyStore, folder: TemporaryFolder) {
    this.gui = gui;
    this.store = store;
    this.#folder = folder;
  }

  /** @param at the folder of a desk that was there before */
  static async open({ withKey = true, ...options }: DeskOptions = {}, at?: TemporaryFolder): Promise<Desk> {
    const owned = at ?? (await TemporaryFolder.make());
    const folder = owned.path;
    const store = new KeyStore(join(folder, 'keys'));
    if (withKey) await store.createKeyPair().catch(() => {}); // it may be there
    const gui = await Gui.begin({
      store,
      stateDir: join(folder, 'keys'),
      inbox: join(folder, 'inbox'),
      port: 0,
      pairingPort: 0,
      ip: LOOPBACK,
      lan: false,
      withOwnCommands: async (ours) => ours,
      isReadOnly: false,
      idleMs: 3_600_000,
      assets: pathToFileURL(`${process.cwd()}/dist/gui/page/`),
      onTrouble: () => {},
      ...options,
    });
    return new Desk(gui, store, owned);
  }

  /** Where peers find it. */
  get at(): string {
    const [address] = this.gui.addresses;
    return address === undefined ? '' : formatAddress(address);
  }

  async trusts(other: Desk, name: string): Promise<void> {
    const { publicKey } = await other.store.loadKeyPair();
    await this.store.addPeer({ name, publicKey, at: other.at });
  }

  get folder(): string {
    return this.#folder.path;
  }

  /** Ends udp-tool, and gives the folder, for another desk. */
  async leave(): Promise<TemporaryFolder> {
    await this.gui[Symbol.asyncDispose]();
    return this.#folder;
  }

  /** Sends a datagram of somebody else's. */
  async throwAt(text: string): Promise<void> {
    const [address] = this.gui.addresses;
    const socket = createSocket('udp4');
    await new Promise<void>((done) => socket.send(text, address?.port, address?.ip, () => done()));
    socket.close();
  }

  get origin(): string {
    return `http://${LOOPBACK}:${this.gui.webPort}`;
  }

  /** A peer that serves, trusted and trusting. */
  async peer(name: string, options: Partial<UdpEndpointOptions> = {}): Promise<UdpEndpoint> {
    const { publicKey } = await this.store.loadKeyPair();
    const store = new KeyStore(join(this.folder, name));
    const keyPair = await store.createKeyPair();
    const endpoint = await createEndpoint({
      keyPair,
      ip: LOOPBACK,
      peers: [{ name: 'desk', publicKey, at: this.at }],
      ...options,
    });
    this.#peers.push(endpoint);
    const [address] = endpoint.addresses;
    await this.store.addPeer({
      name,
      publicKey: keyPair.publicKey,
      ...(address && { at: formatAddress(address) }),
    });
    return endpoint;
  }

  /** Of a peer that {@link peer} made. */
  keyPairOf(name: string): Promise<KeyPair> {
    return new KeyStore(join(this.folder, name)).loadKeyPair();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gui[Symbol.asyncDispose]();
    await Promise.all(this.#peers.map((peer) => peer.close()));
    await this.#folder[Symbol.asyncDispose]();
  }
}

export class Chromium implements AsyncDisposable {
  readonly #browser: Browser;

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async launch(...more: readonly string[]): Promise<Chromium> {
    // Containers and root have no user namespaces for its sandbox; it sees nothing but our own pages.
    const args = ['--no-sandbox', ...more];
    const browser = await chromium.launch({ executablePath: CHROMIUM ?? '', args });
    return new Chromium(browser);
  }

  /** A person's browser: cookies and all of its own. Errors that the page throws, or that the policy reports, fail the test at its end. */
  async person(options: Parameters<Browser['newContext']>[0] = {}): Promise<Person> {
    const context = await this.#browser.newContext({ reducedMotion: 'reduce', ...options });
    context.setDefaultTimeout(DEADLINE_MS);
    return Person.with(context);
  }

  /** A person who has opened the link of a desk. */
  async at(desk: Desk, options?: Parameters<Browser['newContext']>[0]): Promise<Person> {
    const person = await this.person(options);
    await person.page.goto(desk.gui.newLink());
    await person.page.getByText('Live').waitFor();
    return person;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}

export class Person implements AsyncDisposable {
  readonly context: BrowserContext;
  readonly page: Page;
  /** What the page threw, and what its policy refused. */
  readonly complaints: string[] = [];

  private constructor(context: BrowserContext, page: Page) {
    this.context = context;
    this.page = page;
    page.on('pageerror', (error) => this.complaints.push(String(error)));
    page.on('console', (message) => {
      // That a request was refused is told too, and is often what is tested.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
        this.complaints.push(message.text());
    });
  }

  static async with(context: BrowserContext): Promise<Person> {
    return new Person(context, await context.newPage());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.context.close();
  }
}

/** To another page by the links at the top. */
export function go(page: Page, name: string | RegExp): Promise<void> {
  return page
    .getByRole('navigation')
    .getByRole('link', typeof name === 'string' ? { name, exact: true } : { name })
    .click();
}
