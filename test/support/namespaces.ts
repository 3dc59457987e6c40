/**
 * Machines with networks of their own, on Linux: `await using network = new Network()`. All of it goes with the
 * network; names are of this process, so that several runs do not meet.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';

const NAT_CHAIN = 'table ip t { chain c { type nat hook postrouting priority 100; masquerade; }; }';

/** Why there can be no such networks here; null where there can. */
export const noNamespaces: string | null = missing('ip', ['netns', 'list']);
/** Why a network can have no firewall here. */
export const noFirewalls: string | null = noNamespaces ?? missing('nft', ['--version']);
/** Why a router can hide nobody behind its address here; nothing of the check stays. */
export const noNats: string | null = noFirewalls ?? missing('nft', ['--check', NAT_CHAIN]);
/** Why there is no `ping`. */
export const noPing: string | null = noNamespaces ?? missing('ping', ['-V']);

let networks = 0;

export class Network implements AsyncDisposable {
  readonly #prefix = `udp-tool-${process.pid}-${networks++}`;
  readonly #hosts = new Set<string>();

  /** A cable from `a` to `b`: an interface at each end, with an MTU, and with an address unless a bridge takes it. */
  async cable(a: Plug, b: Plug): Promise<void> {
    for (const { host } of [a, b]) await this.#host(host);
    const [one, other] = [this.#namespace(a.host), this.#namespace(b.host)];
    await ip(one, `link add ${a.interface} type veth peer name ${b.interface} netns ${other}`);
    for (const { host, interface: name, address, mtu = 1500 } of [a, b]) {
      if (address !== undefined) await this.ip(host, `address add ${address} dev ${name}`);
      await this.ip(host, `link set dev ${name} mtu ${mtu} up`);
    }
  }

  /** Runs `ip` there, once for each line. */
  ip(host: string, ...lines: readonly string[]): Promise<void> {
    return ip(this.#namespace(host), ...lines);
  }

  /**
   * Waits until the interface counts as running, which the kernel says up to a second after both its ends are up:
   * before, Node does not list it.
   */
  async running(host: string, name: string): Promise<void> {
    for (;;) {
      const shown = await run(['ip', '-n', this.#namespace(host), 'link', 'show', 'dev', name]);
      if (shown.includes('state UP')) return;
    }
  }

  /** Gives the host a firewall: what its hook (`input`, `output`) does with what the rule fits. */
  async firewall(host: string, hook: string, rule: string): Promise<void> {
    const chain = `chain ${hook} {\n type filter hook ${hook} priority 0\n ${rule}\n }`;
    await this.nft(host, `table inet test {\n ${chain}\n}\n`);
  }

  /** Loads what is written in the language of nftables. */
  async nft(host: string, ruleset: string): Promise<void> {
    await run([...this.launcher(host), 'nft', '-f', '-'], ruleset);
  }

  /** Makes a router of the host. */
  async forward(host: string): Promise<void> {
    await run([...this.launcher(host), 'tee', '/proc/sys/net/ipv4/ip_forward'], '1');
  }

  /** What a program is started by, to run there. */
  launcher(host: string): readonly string[] {
    return ['ip', 'netns', 'exec', this.#namespace(host)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const host of this.#hosts) await run(['ip', 'netns', 'del', this.#namespace(host)]);
  }

  async #host(name: string): Promise<void> {
    if (this.#hosts.has(name)) return;
    this.#hosts.add(name);
    await run(['ip', 'netns', 'add', this.#namespace(name)]);
    await this.ip(name, 'link set lo up');
  }

  #namespace(host: string): string {
    return `${this.#prefix}-${host}`;
  }
}

export interface Plug {
  readonly host: string;
  readonly interface: string;
  /** With its prefix length: `10.1.2.3/24`. */
  readonly address?: string;
  readonly mtu?: number;
}

async function ip(namespace: string, ...lines: readonly string[]): Promise<void> {
  await run(['ip', '-n', namespace, '-batch', '-'], `${lines.join('\n')}\n`);
}

/** Runs a program, which has to succeed; returns what it prints. */
async function run(argv: readonly string[], input = ''): Promise<string> {
  const [file, ...args] = argv as [string, ...string[]];
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.on('error', () => {}); // it may end without having read
  child.stdin.end(input);
  let [output, complaint] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${argv.join(' ')}\n${input}${complaint}`);
  return output;
}

function missing(program: string, args: readonly string[]): string | null {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'only root on Linux can make networks';
  return spawnSync(program, args).status === 0 ? null : `there is no usable "${program}"`;
}
