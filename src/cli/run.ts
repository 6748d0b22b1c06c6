// Owns one run of ibctl: from the command line to the verb and its exit code.

import { EXIT } from '../protocol/errors.ts';
import type { CliContext, Verb } from './context.ts';
import { readCall } from './input.ts';
import { Output } from './output.ts';
import { parsePlain } from './plain-parse.ts';

/** Verbs by full name; each is loaded only when it is called, because ibctl must start fast. */
const VERBS: Readonly<Record<string, () => Promise<Verb>>> = {
  status: async () => (await import('./verbs/status.ts')).runStatus,
  events: async () => (await import('./verbs/events.ts')).runEvents,
  logs: async () => (await import('./verbs/logs.ts')).runLogs,
  wait: async () => (await import('./verbs/wait.ts')).runWait,
  plan: async () => (await import('./verbs/plan.ts')).runPlan,
  login: async () => (await import('./verbs/login.ts')).runLogin,
  start: async () => (await import('./verbs/start.ts')).runStart,
  stop: async () => (await import('./verbs/stop.ts')).runStop,
  restart: async () => (await import('./verbs/restart.ts')).runRestart,
  'windows list': async () => (await import('./verbs/windows.ts')).runWindows,
  code: async () => (await import('./verbs/code.ts')).runCode,
  'windows click': async () => (await import('./verbs/windows.ts')).runWindowsClick,
  'second-factor show': async () => (await import('./verbs/second-factor-show.ts')).runSecondFactorShow,
  'second-factor resend': async () => (await import('./verbs/second-factor.ts')).runSecondFactorResend,
  screenshot: async () => (await import('./verbs/screenshot.ts')).runScreenshot,
  'config check': async () => (await import('./verbs/config.ts')).runConfigCheck,
  'config show': async () => (await import('./verbs/config.ts')).runConfigShow,
  'config schema': async () => (await import('./verbs/config.ts')).runConfigSchema,
  'credentials set': async () => (await import('./verbs/credentials.ts')).runCredentialsSet,
  'credentials list': async () => (await import('./verbs/credentials.ts')).runCredentialsList,
  'credentials remove': async () => (await import('./verbs/credentials.ts')).runCredentialsRemove,
  doctor: async () => (await import('./verbs/doctor.ts')).runDoctor,
  'notify list': async () => (await import('./verbs/notify.ts')).runNotifyList,
  'notify test': async () => (await import('./verbs/notify.ts')).runNotifyTest,
  completion: async () => (await import('./verbs/completion.ts')).runCompletion,
};

/** Runs ibctl and returns its exit code; never throws. */
export async function runIbctl(context: CliContext): Promise<number> {
  const { argv } = context;
  if (argv[0] === '__complete') return (await import('./verbs/completion.ts')).runComplete(context);
  // Errors of the command line itself honour these too, so they are looked for before anything is parsed.
  let output = new Output(context, { json: argv.includes('--json'), colour: !argv.includes('--no-color') });
  try {
    const raw = parsePlain(argv) ?? (await import('./program.ts')).parseWithCommander(argv, output);
    if (raw === null) return EXIT.ok;
    const { path, input } = readCall(raw, context.clock.now());
    output = new Output(context, { json: input.flag('--json'), colour: !input.flag('--no-color') });
    const verb = await VERBS[path]?.();
    if (verb === undefined) throw new Error(`the verb ${path} has no implementation`);
    return await verb({ context, output, input });
  } catch (error) {
    return output.failure(error);
  }
}
