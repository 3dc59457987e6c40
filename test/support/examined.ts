/** What `doctor --json` printed, which has one diagnosis, at its end. */
import { expect } from 'vitest';
import type { Cause, Check, Diagnosis, Finding } from '../../src/index.ts';
import type { Finished } from './cli.ts';

export interface Examined {
  readonly code: number | null;
  readonly ms: number;
  readonly findings: ReadonlyMap<Check, Finding>;
  readonly causes: readonly Cause[];
}

export function readExamination({ code, stdout, ms }: Finished): Examined {
  const items = stdout
    .trim()
    .split('\n')
    .map((line): Finding | Diagnosis => JSON.parse(line));
  const findings = items.filter((item): item is Finding => 'check' in item);
  const diagnoses = items.filter((item): item is Diagnosis => 'diagnosis' in item);
  expect(diagnoses).toHaveLength(1);
  expect(items.at(-1)).toBe(diagnoses[0]);
  return {
    code,
    ms,
    findings: new Map(findings.map((finding) => [finding.check, finding])),
    causes: diagnoses.flatMap(({ diagnosis }) => diagnosis.map(({ cause }) => cause)),
  };
}
