// Owns the picture of a whole display: each window painted by itself, put where it stands.

import type { BridgeWindow, Painting } from '../bridge/protocol.ts';
import { compose, type Layer } from '../display/picture.ts';
import { AgentError } from '../protocol/errors.ts';
import type { WindowWatch } from './window-watch.ts';

/**
 * All showing windows on a display of this size. X keeps their order to itself, so dialogs are put over frames, and the active one over all.
 * A window that closes meanwhile is left out. Throws AgentError `windows-unseen`.
 */
export async function paintAll(
  windows: Pick<WindowWatch, 'list' | 'paint'>,
  size: { readonly width: number; readonly height: number },
): Promise<Painting> {
  const layers: Layer[] = [];
  for (const window of [...(await windows.list())].sort((a, b) => heightOf(a) - heightOf(b))) {
    try {
      layers.push({ at: window.bounds, png: (await windows.paint(window.id)).png });
    } catch (error) {
      if (!(error instanceof AgentError) || error.code !== 'window-changed') throw error;
    }
  }
  return { ...size, png: compose(size, layers) };
}

function heightOf({ kind, modal, active }: BridgeWindow): number {
  return (kind === 'frame' ? 0 : 1) + (modal ? 1 : 0) + (active ? 2 : 0);
}
