/** This machine: its key, and how another gets to know it; at first, how it gets one. */
import { Fragment, type JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { PairingView, StatusView } from '../../api.ts';
import { useMap } from '../live.ts';
import { href } from '../route.ts';
import { call } from '../session.ts';
import { Card, CopyLine, Field, Trouble, useTask } from '../ui/parts.tsx';
import { QrCode } from '../ui/qr-code.tsx';

export function SetupPage(): JSX.Element | null {
  const status = useMap<StatusView>('status').get('machine');
  if (status === undefined) return null;
  return (
    <div class="columns">
      <div>
        {status.publicKey === undefined ? <MakeKey status={status} /> : <ThisMachine status={status} />}
      </div>
      {status.publicKey !== undefined && (
        <div>
          <Pairing />
        </div>
      )}
    </div>
  );
}

function MakeKey({ status }: { status: StatusView }): JSX.Element {
  const task = useTask();
  return (
    <Card title="Make a key">
      <p>
        Each machine has a keypair. The secret half never leaves <code>{status.keyFolder}</code>, and never
        reaches this page.
      </p>
      <button
        type="button"
        class="primary"
        disabled={task.isBusy || status.isReadOnly}
        onClick={() =>
          void task.run(async () => {
            await call('setup/make-key');
            location.hash = href('this'); // where it gets to know others
          })
        }
      >
        Make the key of {status.name}
      </button>
      <Trouble error={task.error} />
    </Card>
  );
}

function ThisMachine({ status }: { status: StatusView }): JSX.Element {
  const [first] = status.addLines;
  return (
    <Card title={status.name}>
      <dl class="facts">
        <dt>Public key</dt>
        <dd>
          <CopyLine text={status.publicKey ?? ''} label="Public key of this machine" />
        </dd>
        <dt>Listens at</dt>
        <dd>{status.addresses.join(', ')}</dd>
        <dt>Keys in</dt>
        <dd>
          <code>{status.keyFolder}</code>
        </dd>
      </dl>
      <h3>To be trusted by another machine without pairing</h3>
      <p>Paste there the line with the address that it reaches, or scan the code:</p>
      {status.addLines.map((line) => (
        <Fragment key={line}>
          <p class="hint">{reachedAt(line)}:</p>
          <CopyLine text={line} label={`Line for the other machine, ${reachedAt(line)}`} />
        </Fragment>
      ))}
      {first !== undefined && (
        <>
          <QrCode text={first} label={`QR code of: ${first}`} />
          <p class="hint">The code is the first line.</p>
        </>
      )}
    </Card>
  );
}

function reachedAt(line: string): string {
  const [, at] = line.split(' --at ');
  return at === undefined ? 'without an address' : `where it reaches ${at}`;
}

function Pairing(): JSX.Element {
  const pairing = useMap<PairingView>('pairing').get('now');
  const isReadOnly = useMap<StatusView>('status').get('machine')?.isReadOnly === true;
  const task = useTask();
  const stop = (): void => void task.run(() => call('setup/stop-pairing'));
  return (
    <Card title="Pair with another machine">
      {pairing === undefined ? (
        <BeginPairing isReadOnly={isReadOnly} />
      ) : (
        <PairingProgress pairing={pairing} onStop={stop} />
      )}
      <Trouble error={task.error} />
    </Card>
  );
}

function BeginPairing({ isReadOnly }: { isReadOnly: boolean }): JSX.Element {
  const [address, setAddress] = useState('');
  const [name, setName] = useState('');
  const task = useTask();
  const begin = (body: object): void =>
    void task.run(() => call('setup/pair', { ...body, ...(name !== '' && { name }) }));
  return (
    <>
      <p>Both machines add each other, once you have seen that both show the same six digits.</p>
      <Field label="What the other machine shall be called here" hint="What it calls itself, if left empty.">
        {(ids) => (
          <input
            {...ids}
            maxLength={32}
            placeholder="pi"
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        )}
      </Field>
      <button type="button" class="primary" disabled={isReadOnly || task.isBusy} onClick={() => begin({})}>
        Wait for the other machine
      </button>
      <p class="or">or, if that one waits already:</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          begin({ ask: address });
        }}
      >
        <Field label="Its address">
          {(ids) => (
            <input
              {...ids}
              required
              placeholder="192.168.2.3"
              value={address}
              onInput={(event) => setAddress(event.currentTarget.value)}
            />
          )}
        </Field>
        <button type="submit" disabled={isReadOnly || task.isBusy}>
          Ask it
        </button>
      </form>
      <Trouble error={task.error} />
    </>
  );
}

function PairingProgress({ pairing, onStop }: { pairing: PairingView; onStop: () => void }): JSX.Element {
  const { state, addresses, code, peer, note, error } = pairing;
  return (
    <div aria-live="polite">
      {state === 'waiting' && (
        <>
          <p>
            This machine waits. On the other one type, or on its page give as the address what is behind
            “pair”:
          </p>
          {addresses.map((address) => (
            <CopyLine
              key={address}
              text={`udp-tool pair ${address}`}
              label="What to type on the other machine"
            />
          ))}
          {addresses.length === 0 && <p>udp-tool pair, and the address of this machine</p>}
        </>
      )}
      {state === 'asking' && <p>Asks at {addresses.join(' and ')} …</p>}
      {state === 'code' && code !== undefined && peer !== undefined && <Compare code={code} peer={peer} />}
      {state === 'confirmed' && <p>Waits for the yes on the other machine.</p>}
      {state === 'paired' && peer !== undefined && (
        <p class="greeting">
          <strong>{peer.name}</strong> is trusted here now, and trusts this machine.{' '}
          <a href={href('peers', peer.name)}>See it</a>
        </p>
      )}
      {note !== undefined && state !== 'paired' && <p class="notice">{note}</p>}
      <Trouble error={error} />
      <button type="button" onClick={onStop}>
        {state === 'paired' || state === 'failed' ? 'Pair with another' : 'Stop'}
      </button>
    </div>
  );
}

function Compare({ code, peer }: { code: string; peer: NonNullable<PairingView['peer']> }): JSX.Element {
  const task = useTask();
  const answer = (isSame: boolean): void => void task.run(() => call('setup/answer', { isSame }));
  return (
    <>
      <p>
        The other machine is to be <strong>{peer.name}</strong>
        {peer.at !== undefined && ` at ${peer.at}`}. Does it show the same digits?
      </p>
      <p class="pairing-code">
        {code.slice(0, 3)} {code.slice(3)}
      </p>
      <div class="row">
        <button type="button" class="primary" disabled={task.isBusy} onClick={() => answer(true)}>
          Yes, the same
        </button>
        <button type="button" class="danger" disabled={task.isBusy} onClick={() => answer(false)}>
          No
        </button>
      </div>
      <Trouble error={task.error} />
    </>
  );
}
