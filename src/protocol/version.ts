// Owns the version numbers that both ends of the control socket compare.

/** Version of the product; the same text stands in package.json (a test compares them). */
export const AGENT_VERSION = '0.1.0';

/** Major version of the control protocol. Minor changes only add; a different number here is `version-mismatch`. */
export const PROTOCOL_VERSION = 1;

/** The one node-ipc message type used in both directions: everything of ours is inside `data`, so an unknown method gets an answer. */
export const FRAME_TYPE = 'ib-agent';

/** Largest frame either side may send, in bytes without the delimiter; equals node-ipc's guarded limit. */
export const MAX_FRAME_BYTES = 1024 * 1024;
