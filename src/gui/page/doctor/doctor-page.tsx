/** Why does a peer not answer: all that was looked at, and what it can be. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { ExaminationView, PeerView } from '../../api.ts';
import { useMap } from '../live.ts';
import { href } from '../route.ts';
import { call } from '../session.ts';
import { Card, Field, Trouble, useTask } from '../ui/parts.tsx';

export function DoctorPage({ peer }: { peer: string | undefined }): JSX.Element {
  const names = [...useMap<PeerView>('peers').keys()].sort();
  const chosen = peer !== undefined && names.includes(peer) ? peer : undefined;
  return (
    <>
      <p>Looks at all that stands between this machine's keys and a peer's answer, in that order.</p>
      <Field label="Peer">
        {(ids) => (
          <select
            {...ids}
            class="narrow"
            value={chosen ?? ''}
            onChange={({ currentTarget }) =>
              (location.hash =
                currentTarget.value === '' ? href('doctor') : href('doctor', currentTarget.value))
            }
          >
            <option value="">every peer with an address</option>
            {names.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Examination key={chosen ?? ''} peer={chosen} />
    </>
  );
}

function Examination({ peer }: { peer: string | undefined }): JSX.Element {
  const [result, setResult] = useState<ExaminationView | null>(null);
  const [times, setTimes] = useState(0);
  const task = useTask();
  // `times` asks for another one.
  useEffect(() => {
    const gone = new AbortController();
    void task.run(async () => {
      const input = peer === undefined ? {} : { peer };
      try {
        setResult(await call<ExaminationView>('doctor/examine', input, gone.signal));
      } catch (error) {
        if (!gone.signal.aborted) throw error;
      }
    });
    return () => gone.abort();
  }, [peer, times]);
  return (
    <>
      <div class="row">
        <button type="button" disabled={task.isBusy} onClick={() => setTimes(times + 1)}>
          {task.isBusy ? 'Examining …' : 'Examine again'}
        </button>
        <span role="status" class="soft">
          {task.isBusy && 'That takes some seconds for each peer that is silent.'}
        </span>
      </div>
      <Trouble error={task.error} />
      {result?.diagnoses.map((diagnosis) => (
        <Diagnosis key={diagnosis.peer ?? ''} diagnosis={diagnosis} />
      ))}
      {result && <Findings findings={result.findings} />}
    </>
  );
}

function Diagnosis({ diagnosis }: { diagnosis: ExaminationView['diagnoses'][number] }): JSX.Element {
  const { peer, error, suggestions } = diagnosis;
  if (error === undefined)
    return <p class="greeting">{peer === undefined ? 'Nothing is wrong here.' : `${peer} answers.`}</p>;
  return (
    <Card title={`${peer ?? 'This machine'}: what it can be, the likeliest first`}>
      <ol>
        {suggestions.map(({ text, checks }) => (
          <li key={text}>
            {text}
            {checks.map((check) => (
              <pre key={check} class="check">
                {check}
              </pre>
            ))}
          </li>
        ))}
      </ol>
    </Card>
  );
}

const MARKS = { ok: '✓', warning: '!', failed: '✗', skipped: '–' } as const;

function Findings({ findings }: { findings: ExaminationView['findings'] }): JSX.Element {
  return (
    <Card title="What was looked at">
      <table class="findings">
        <thead>
          <tr>
            <th scope="col">Result</th>
            <th scope="col">Check</th>
            <th scope="col">Seen</th>
          </tr>
        </thead>
        <tbody>
          {findings.map(({ check, status, result, fix, peer }, i) => (
            // They never change their order.
            <tr key={i} class={status}>
              <td>
                <span aria-hidden="true">{MARKS[status]}</span> {status}
              </td>
              <td>
                {peer !== undefined && <span class="soft">{peer}: </span>}
                {check.replaceAll('-', ' ')}
              </td>
              <td>
                {result}
                {fix !== undefined && <p class="hint">{fix}</p>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Card>
  );
}
