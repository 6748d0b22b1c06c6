// Owns the names of the units that a session consists of, as systemd/ and its polkit rule have them.

/** The agent's own unit; its events in the journal are found by it. */
export const AGENT_UNIT = 'ib-agent.service';

export function sessionUnits(session: string) {
  return {
    session: `ib-session@${session}.service`,
    display: `ib-display@${session}.service`,
    ready: `ib-ready@${session}.target`,
  } as const;
}

/** Units that are started for one piece of work: typing a one-time code, comparing the clock. */
export function codeUnits(session: string) {
  return { code: `ib-code@${session}.service`, clock: `ib-clock@${session}.service` } as const;
}
