// Owns how a gateway's window is shown to callers: what it says and what can be chosen, never what was typed.

import type { BridgeWindow } from '../bridge/protocol.ts';
import { knowDialog } from '../domain/dialogs.ts';
import { lookAt } from '../domain/seen-window.ts';
import { maskAccounts } from '../protocol/mask.ts';
import type { WindowView } from '../protocol/methods.ts';

/** So many of each, and so long at most: an item of a stream must fit into a frame whatever a window holds. */
const MOST_LINES = 200;
const LONGEST_LINE = 400;

export function windowViewOf(window: BridgeWindow): WindowView {
  const { lines, clickable, rows, fields } = lookAt(window);
  return {
    id: window.id,
    title: cut(maskAccounts(window.title)),
    class: cut(window.className),
    kind: window.kind,
    modal: window.modal,
    active: window.active,
    known: knowDialog(window)?.id ?? null,
    text: cutAll(lines),
    buttons: cutAll(clickable.map(({ text }) => maskAccounts(text.trim()))),
    rows: rows === null ? null : cutAll(rows),
    fields: fields.length,
    bounds: { ...window.bounds },
  };
}

function cutAll(texts: readonly string[]): string[] {
  return texts.slice(0, MOST_LINES).map(cut);
}

function cut(text: string): string {
  return text.length <= LONGEST_LINE ? text : `${text.slice(0, LONGEST_LINE)}…`;
}
