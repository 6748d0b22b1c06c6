// Owns what rules see of a window: the shape that a driver's window must have, and its texts made ready for comparison.

import { maskAccounts } from '../protocol/mask.ts';

export type SeenComponent = {
  readonly path: string;
  readonly className: string;
  readonly text: string | null;
  readonly masked: boolean;
  readonly enabled: boolean;
  readonly visible: boolean;
  readonly editable: boolean;
  readonly rows: { readonly texts: readonly (string | null)[] } | null;
};

/** A window as somebody saw it; the bridge's windows are of this shape. */
export type SeenWindow = {
  readonly id: string;
  readonly className: string;
  readonly kind: 'frame' | 'dialog' | 'window';
  readonly title: string;
  readonly modal: boolean;
  readonly components: readonly SeenComponent[];
};

/** Account ids are masked in everything but `clickable`, whose texts must be found again as they are. */
export type Look = {
  readonly id: string;
  readonly kind: SeenWindow['kind'];
  /** In lower case, one blank for each run of them, like `text`, `buttons` and `menuItems`. */
  readonly title: string;
  /** Labels and text areas, one after the other. */
  readonly text: string;
  /** The same as it is read, line by line. */
  readonly lines: readonly string[];
  /** The lines as one text for people, cut off where it is very long. */
  readonly says: string;
  readonly buttons: readonly string[];
  readonly menuItems: readonly string[];
  /** Buttons that can be pressed, as they are. */
  readonly clickable: readonly { readonly path: string; readonly text: string }[];
  /** Paths of the fields that can be typed into. */
  readonly fields: readonly string[];
  /** Of the first list that shows; null when none does. */
  readonly rows: readonly string[] | null;
};

const LONGEST_SAYS = 1_000;

const BUTTON = /Button(?:\$\d+)?$/;
const CHOICE = /(?:RadioButton|CheckBox|ToggleButton)(?:\$\d+)?$/;
const MENU = /Menu|Popup/;

export function lookAt(window: SeenWindow): Look {
  const shown = window.components.filter(({ visible }) => visible);
  const isButton = ({ className }: SeenComponent) => BUTTON.test(className) && !CHOICE.test(className);
  const isMenu = ({ className }: SeenComponent) => MENU.test(className);
  const lines = shown
    .filter((each) => !isButton(each) && !isMenu(each) && !each.editable)
    .flatMap(({ text }) => readableLines(text));
  const buttons = shown.filter((each) => isButton(each) && tidy(each.text) !== '');
  const list = shown.find(({ rows }) => rows !== null && rows.texts.length > 0)?.rows;
  const says = lines.join('\n');
  return {
    id: window.id,
    kind: window.kind,
    title: lowered(window.title),
    text: lowered(lines.join(' ')),
    lines,
    says: says.length > LONGEST_SAYS ? `${says.slice(0, LONGEST_SAYS)}…` : says,
    buttons: buttons.map(({ text }) => lowered(text)),
    // Those of a menu that is not unfolded count too.
    menuItems: window.components.filter(isMenu).map(({ text }) => lowered(text)),
    clickable: buttons.flatMap(({ path, text, enabled }) =>
      enabled && text !== null ? [{ path, text }] : [],
    ),
    fields: shown.filter(({ editable, enabled }) => editable && enabled).map(({ path }) => path),
    rows: list === undefined || list === null ? null : list.texts.map((text) => maskAccounts(tidy(text))),
  };
}

export function lowered(text: string | null): string {
  return tidy(text).toLowerCase();
}

function readableLines(text: string | null): string[] {
  const plain = text ?? '';
  // In HTML a line break means nothing, and a tag may mean one.
  const broken = /<[a-z/][^<>]*>/i.test(plain)
    ? plain.replace(/\s+/g, ' ').replace(/<(?:br|\/p|\/div|\/li|\/h\d)\b[^<>]*>/gi, '\n')
    : plain;
  return broken
    .split('\n')
    .map((line) => maskAccounts(tidy(line)))
    .filter((line) => line !== '');
}

/** Without markup, should a text still hold some, and with one blank for each run of blanks. */
function tidy(text: string | null): string {
  return (text ?? '')
    .replace(/<\/?[a-z][^<>]*>/gi, '')
    .replace(/&nbsp;|\u00a0/gi, ' ')
    .replace(/&amp;/gi, '&')
    .replace(/\s+/g, ' ')
    .trim();
}
