/** Reads a QR code: with the camera, or from a picture. Nothing of it leaves the page but the text. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { decodeQR } from 'qr/decode.js';
import { Trouble, useTask } from '../ui/parts.tsx';

/** A camera is looked through so often. */
const LOOK_EVERY_MS = 200;
/** Pictures are made so small, in pixels: a code is read as well, and faster. */
const MAX_SIDE = 1_600;

export function ReadQr({ onRead }: { onRead: (text: string) => void }): JSX.Element {
  const [isLooking, setLooking] = useState(false);
  const task = useTask();
  const fromPicture = (file: File): void =>
    void task.run(async () => {
      const text = decode(await createImageBitmap(file));
      if (text === null) throw new Error('There is no QR code in that picture that can be read.');
      onRead(text);
    });
  return (
    <>
      <div class="row">
        <button type="button" aria-pressed={isLooking} onClick={() => setLooking(!isLooking)}>
          {isLooking ? 'Stop the camera' : 'Scan with the camera'}
        </button>
        <label class="button">
          Read a picture
          <input
            class="unseen"
            type="file"
            accept="image/*"
            onChange={({ currentTarget }) => {
              const [file] = currentTarget.files ?? [];
              if (file !== undefined) fromPicture(file);
              currentTarget.value = '';
            }}
          />
        </label>
      </div>
      {isLooking && (
        <Camera
          onRead={(text) => {
            setLooking(false);
            onRead(text);
          }}
        />
      )}
      <Trouble error={task.error} />
    </>
  );
}

function Camera({ onRead }: { onRead: (text: string) => void }): JSX.Element {
  const video = useRef<HTMLVideoElement>(null);
  const task = useTask();
  // Once; it ends with the first code.
  useEffect(() => {
    let stream: MediaStream | null = null;
    let timer = 0;
    let isGone = false;
    const look = (): void => {
      const text = video.current && video.current.videoWidth > 0 ? decode(video.current) : null;
      if (text === null) timer = window.setTimeout(look, LOOK_EVERY_MS);
      else onRead(text);
    };
    void task.run(async () => {
      try {
        stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
      } catch {
        throw new Error('There is no camera that this page may use.');
      }
      if (isGone) stop(stream);
      else if (video.current !== null) {
        video.current.srcObject = stream;
        await video.current.play();
        look();
      }
    });
    return () => {
      isGone = true;
      clearTimeout(timer);
      stop(stream);
    };
  }, []);
  return (
    <>
      <video ref={video} class="camera" muted playsInline aria-label="What the camera sees" />
      <p role="status" class="hint">
        Hold the code of the other machine before the camera.
      </p>
      <Trouble error={task.error} />
    </>
  );
}

function stop(stream: MediaStream | null): void {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

/** Null where there is none. */
function decode(source: HTMLVideoElement | ImageBitmap): string | null {
  const [width, height] =
    source instanceof ImageBitmap ? [source.width, source.height] : [source.videoWidth, source.videoHeight];
  const scale = Math.min(1, MAX_SIDE / Math.max(width, height));
  const canvas = new OffscreenCanvas(Math.round(width * scale), Math.round(height * scale));
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (context === null) return null;
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  try {
    return decodeQR(context.getImageData(0, 0, canvas.width, canvas.height));
  } catch {
    return null; // that is how it says that it found none
  }
}
