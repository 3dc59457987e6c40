/** Parts that pages are made of. */
import type { ComponentChildren, JSX } from 'preact';
import { useId, useRef, useState } from 'preact/hooks';
import type { ErrorView } from '../../api.ts';

/** Something that takes a while, and may fail: a button is off meanwhile, and the error is shown. */
export function useTask(): {
  readonly isBusy: boolean;
  readonly error: ErrorView | null;
  run(task: () => Promise<unknown>): Promise<boolean>;
} {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<ErrorView | null>(null);
  const run = async (task: () => Promise<unknown>): Promise<boolean> => {
    setBusy(true);
    setError(null);
    try {
      await task();
      return true;
    } catch (caught) {
      const { code = 'failed', message, hint } = caught as ErrorView;
      setError({ code, message, ...(hint !== undefined && { hint }) });
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { isBusy, error, run };
}

/** What went wrong, and what to do; nothing where nothing did. */
export function Trouble({ error }: { error: ErrorView | null | undefined }): JSX.Element {
  return (
    <div role="alert">
      {error && (
        <p class="trouble">
          <strong>{error.message}</strong> {error.hint}
          <span class="code">{error.code}</span>
        </p>
      )}
    </div>
  );
}

interface FieldProps {
  readonly label: string;
  readonly hint?: string | undefined;
  readonly children: (ids: { readonly id: string; readonly 'aria-describedby'?: string }) => JSX.Element;
}

export function Field({ label, hint, children }: FieldProps): JSX.Element {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children(hint === undefined ? { id } : { id, 'aria-describedby': `${id}-hint` })}
      {hint !== undefined && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

/** A line to be pasted elsewhere. */
export function CopyLine({ text, label }: { text: string; label: string }): JSX.Element {
  const [said, setSaid] = useState('');
  const line = useRef<HTMLInputElement>(null);
  const copy = async (): Promise<void> => {
    line.current?.select();
    try {
      await navigator.clipboard.writeText(text);
      setSaid('Copied.');
    } catch {
      setSaid('Selected: copy it with the keyboard.');
    }
  };
  return (
    <div class="copy-line">
      <input ref={line} readOnly value={text} aria-label={label} />
      <button type="button" onClick={copy} aria-label={`Copy: ${label}`}>
        Copy
      </button>
      <span role="status">{said}</span>
    </div>
  );
}

/** Asks before something that cannot be undone. */
export function Confirmed({
  label,
  question,
  onYes,
  isDisabled = false,
}: {
  label: string;
  question: string;
  onYes: () => void;
  isDisabled?: boolean;
}): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  return (
    <>
      <button type="button" class="danger" disabled={isDisabled} onClick={() => dialog.current?.showModal()}>
        {label}
      </button>
      <dialog ref={dialog} aria-labelledby={id}>
        <p id={id}>{question}</p>
        <form method="dialog" class="row">
          <button type="submit">No</button>
          <button type="submit" class="danger" onClick={onYes}>
            {label}
          </button>
        </form>
      </dialog>
    </>
  );
}

export function Card({ title, children }: { title: string; children: ComponentChildren }): JSX.Element {
  const id = useId();
  return (
    <section class="card" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {children}
    </section>
  );
}

/** A value that a peer gave, as text. */
export function ValueText({ value }: { value: unknown }): JSX.Element {
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard
    <pre class="value" tabIndex={0}>
      {text}
    </pre>
  );
}
