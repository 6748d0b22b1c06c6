// Owns where the secrets of notifications come from: the agent's own systemd credentials, else a directory of files.

import { AgentError } from '../protocol/errors.ts';
import { readFromDirectory, readHandedOver } from './credentials.ts';
import type { Secret } from './secret.ts';
import type { NotifyForm, SecretRef } from './types.ts';

/** Gives the secret of a name. Throws an AgentError `credential-missing`, `credential-unsafe` or `credential-invalid`. */
export type ReadNotifySecret = (name: string) => Secret;

export type NotifySecretPlaces = {
  /** Value of `$CREDENTIALS_DIRECTORY`. */
  readonly credentialsDirectory: string | undefined;
  readonly secretsDir: string;
  /** User that this process runs as. */
  readonly uid: number;
};

/** The prefix keeps them apart from other credentials in systemd's stores, where all units' credentials lie side by side. */
const PREFIX = 'ib-notify.';

/** A reader that looks anew at each call, so that a secret can be replaced while the agent runs. */
export function notifySecretReader(places: NotifySecretPlaces): ReadNotifySecret {
  const { credentialsDirectory, secretsDir, uid } = places;
  return (name) => {
    if (credentialsDirectory !== undefined && credentialsDirectory !== '') {
      for (const file of [`${PREFIX}${name}`, name]) {
        try {
          return readHandedOver(credentialsDirectory, file, '');
        } catch (error) {
          if (!(error instanceof AgentError) || error.code !== 'credential-missing') throw error;
        }
      }
    }
    try {
      return readFromDirectory(secretsDir, name, { uid, what: 'secret' });
    } catch (error) {
      if (!(error instanceof AgentError) || error.code !== 'credential-missing') throw error;
      if (credentialsDirectory === undefined || credentialsDirectory === '') throw error;
      // Under systemd its credentials are the way; that there is no directory is as it should be.
      throw new AgentError('credential-missing', `The secret ${name} is not among the agent's credentials.`, {
        hint: `Seal it: systemd-ask-password -n | systemd-creds encrypt --name=${PREFIX}${name} - /etc/credstore.encrypted/${PREFIX}${name}; name it in the unit: LoadCredentialEncrypted=${PREFIX}${name} (systemctl edit ib-agent); then: systemctl restart ib-agent`,
        cause: error,
      });
    }
  };
}

/** Every secret that a target needs, each name once. */
export function secretNamesOf(form: NotifyForm): readonly string[] {
  const refs: (SecretRef | string | null)[] = [];
  switch (form.kind) {
    case 'ntfy':
      refs.push(form.topic, form.token);
      break;
    case 'slack':
      refs.push(form.url);
      break;
    case 'telegram':
      refs.push(form.token);
      break;
    case 'webhook':
      refs.push(form.url, form.key, ...Object.values(form.secretHeaders));
      break;
    case 'command':
      break;
  }
  const names = refs.flatMap((ref) => (ref === null || typeof ref === 'string' ? [] : [ref.secretName]));
  return [...new Set(names)];
}
