// Owns which options of the java command line a user may add, and why the others are refused.

/** Properties that the launcher sets; a second value would win or lose by position. */
const LAUNCHER_PROPERTIES = new Set([
  'twslaunch.autoupdate.serviceImpl',
  'channel',
  'exe4j.isInstall4j',
  'install4jType',
  'jtsConfigDir',
  'ibcsessionid',
  'jxBrowserKey',
  'restart',
]);

/** IBC reads and writes times in the JVM's default locale and understands English AM and PM only. */
const LOCALE_PROPERTY = /^user\.(language|country|region|script|variant|extensions)(\.|$)/;

/** With these java prints something and ends, or runs something else: the gateway would never start. */
const NOT_A_START = new Set([
  '-version',
  '--version',
  '-help',
  '--help',
  '-h',
  '-?',
  '-X',
  '--help-extra',
  '-jar',
  '-m',
  '--module',
  '-d',
  '--describe-module',
  '--list-modules',
  '--dry-run',
  '--validate-modules',
]);

/** Options whose value is a second argument unless it is joined by `=`. */
const TAKES_A_VALUE = new Set([
  '--add-opens',
  '--add-exports',
  '--add-reads',
  '--add-modules',
  '--limit-modules',
  '--enable-native-access',
  '--upgrade-module-path',
  '--source',
]);

const HEAP = /^(-Xmx|-XX:MaxHeapSize=)/;
const INITIAL_HEAP = /^(?:-Xms|-XX:InitialHeapSize=)(\d+)([kKmMgG]?)$/;
const BYTES = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 } as const;

/** Name of an option without its value: what may be shown of it. */
export function jvmOptionName(option: string): string {
  return option.split(/[=\s]/, 1)[0] ?? '';
}

/** Bytes of `-Xms512m` or `-XX:InitialHeapSize=…`, or null for another option. */
export function initialHeapBytes(option: string): number | null {
  const match = INITIAL_HEAP.exec(option);
  if (match === null) return null;
  const unit = (match[2] ?? '').toLowerCase();
  if (unit !== '' && unit !== 'k' && unit !== 'm' && unit !== 'g') return null;
  return Number(match[1]) * BYTES[unit];
}

/** Why an option is refused, as a clause for the user; null when it may be used. */
export function refuseJvmOption(option: string): string | null {
  const name = jvmOptionName(option);
  if (HEAP.test(option)) return 'the heap has its own key, jvm.heap';
  if (/^(-cp|-classpath|--class-path|-p|--module-path)$/.test(name) || name.startsWith('-Xbootclasspath')) {
    return 'the class path is made from install';
  }
  if (NOT_A_START.has(name)) return `with ${name} java does not start the gateway`;
  if (TAKES_A_VALUE.has(option)) return `each entry is one argument: write ${name}=VALUE`;
  if (name.startsWith('-agentlib:jdwp') || name.startsWith('-Xrunjdwp') || name === '-Xdebug') {
    return "a debugger's port lets any local user run code in the gateway and read the password";
  }
  if (!name.startsWith('-D')) return null;
  return refuseProperty(name.slice(2), option.slice(name.length + 1));
}

function refuseProperty(property: string, value: string): string | null {
  if (LAUNCHER_PROPERTIES.has(property)) return `the property ${property} is set by the launcher`;
  if (property === 'user.timezone') return 'the time zone has its own key, timeZone';
  if (LOCALE_PROPERTY.test(property)) {
    return 'IBC understands times in the English locale only, which the launcher sets';
  }
  if (property === 'java.awt.headless' && value !== 'false') return 'without windows nobody can log in';
  if (property === 'com.sun.management.jmxremote.authenticate' && value !== 'true') {
    return 'JMX without authentication lets any local user run code in the gateway and read the password';
  }
  return null;
}
