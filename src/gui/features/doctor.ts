/** Why does a peer not answer? */
import { examine, type KeyStore, type Suggestion } from '../../index.ts';
import type { Action, Input } from '../action.ts';
import type { ExaminationView, SuggestionView } from '../api.ts';
import type { Feature } from '../feature.ts';
import type { Machine } from '../machine.ts';

export class Doctor implements Feature {
  readonly #store: KeyStore;
  #port: number | undefined;

  constructor(store: KeyStore) {
    this.#store = store;
  }

  begin({ endpoint }: Machine): void {
    this.#port = endpoint.addresses[0]?.port;
  }

  readonly actions: readonly Action[] = [
    {
      name: 'doctor/examine',
      isRead: true,
      run: (input, signal) => this.#examine(input, signal),
    },
  ];

  async #examine(input: Input, signal: AbortSignal): Promise<ExaminationView> {
    const peer = input.optionalText('peer', 64);
    const findings: ExaminationView['findings'][number][] = [];
    const diagnoses: ExaminationView['diagnoses'][number][] = [];
    const options = {
      store: this.#store,
      signal,
      ...(this.#port !== undefined && { port: this.#port }),
      ...(peer !== undefined && { peer }),
    };
    for await (const item of examine(options)) {
      if (!('diagnosis' in item)) {
        findings.push(item);
        continue;
      }
      const suggestions = item.diagnosis.map(suggestionView);
      diagnoses.push({
        ...(item.peer !== undefined && { peer: item.peer }),
        ...(item.error !== undefined && { error: item.error }),
        suggestions,
      });
    }
    return { findings, diagnoses };
  }
}

function suggestionView({ text, checks }: Suggestion): SuggestionView {
  return { text, checks };
}
