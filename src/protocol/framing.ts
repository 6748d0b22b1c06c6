// Owns the bytes of a frame: one JSON object {"type","data"} ended by a form feed, as node-ipc 14 writes it.

import { FRAME_TYPE, MAX_FRAME_BYTES } from './version.ts';

const DELIMITER = 0x0c;

/** The bytes of one frame. Throws RangeError when it is larger than {@link MAX_FRAME_BYTES}; the peer would close without a word. */
export function encodeFrame(data: unknown): Buffer {
  const bytes = Buffer.from(`${JSON.stringify({ type: FRAME_TYPE, data })}\f`, 'utf8');
  if (bytes.length - 1 > MAX_FRAME_BYTES) {
    throw new RangeError(`frame of ${bytes.length - 1} bytes exceeds ${MAX_FRAME_BYTES}`);
  }
  return bytes;
}

export type FrameProblem = 'too-large' | 'not-json' | 'not-a-frame';

/** Thrown by {@link FrameDecoder.push} when the peer sent something that is no frame. */
export class FrameError extends Error {
  readonly problem: FrameProblem;

  constructor(problem: FrameProblem) {
    super(`the peer sent something that is no frame (${problem})`);
    this.problem = problem;
  }

  override get name(): string {
    return 'FrameError';
  }
}

/** Collects bytes and gives back the `data` of each complete frame; holds at most {@link MAX_FRAME_BYTES} of a half frame. */
export class FrameDecoder {
  #pending: Buffer[] = [];
  #pendingBytes = 0;

  /** Takes a chunk as it came from the socket, split anywhere. Throws {@link FrameError}; the decoder is unusable then. */
  push(chunk: Buffer): unknown[] {
    const frames: unknown[] = [];
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(DELIMITER, start);
      const slice = chunk.subarray(start, end === -1 ? chunk.length : end);
      if (this.#pendingBytes + slice.length > MAX_FRAME_BYTES) throw new FrameError('too-large');
      if (end === -1) {
        if (slice.length > 0) this.#pending.push(slice);
        this.#pendingBytes += slice.length;
        return frames;
      }
      const bytes = this.#pending.length === 0 ? slice : Buffer.concat([...this.#pending, slice]);
      this.#pending = [];
      this.#pendingBytes = 0;
      frames.push(parseFrame(bytes));
      start = end + 1;
    }
  }
}

function parseFrame(bytes: Buffer): unknown {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new FrameError('not-json');
  }
  if (
    typeof value !== 'object' ||
    value === null ||
    !('type' in value) ||
    value.type !== FRAME_TYPE ||
    !('data' in value)
  ) {
    throw new FrameError('not-a-frame');
  }
  return value.data;
}
