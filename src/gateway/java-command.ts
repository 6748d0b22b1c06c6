// Owns the java command line and environment of a gateway under IBC, element by element.

import type { SessionConfig } from '../config/types.ts';
import type { InstallLayout } from './install-layout.ts';

/** What the gateway's classes need of the module system; a runtime without JavaFX only warns about its modules. */
const MODULE_OPTIONS: readonly string[] = [
  ['opens', 'java.base/java.util'],
  ['opens', 'java.base/java.util.concurrent'],
  ['exports', 'java.base/sun.util'],
  ['exports', 'java.desktop/com.sun.java.swing.plaf.motif'],
  ['opens', 'java.desktop/java.awt'],
  ['opens', 'java.desktop/java.awt.dnd'],
  ['opens', 'java.desktop/javax.swing'],
  ['opens', 'java.desktop/javax.swing.event'],
  ['opens', 'java.desktop/javax.swing.plaf.basic'],
  ['opens', 'java.desktop/javax.swing.table'],
  ['opens', 'java.desktop/sun.awt'],
  ['exports', 'java.desktop/sun.awt.X11'],
  ['exports', 'java.desktop/sun.swing'],
  ['opens', 'javafx.graphics/com.sun.javafx.application'],
  ['exports', 'javafx.media/com.sun.media.jfxmedia'],
  ['exports', 'javafx.media/com.sun.media.jfxmedia.events'],
  ['exports', 'javafx.media/com.sun.media.jfxmedia.locator'],
  ['exports', 'javafx.media/com.sun.media.jfxmediaimpl'],
  ['exports', 'javafx.web/com.sun.javafx.webkit'],
  ['opens', 'jdk.management/com.sun.management.internal'],
].map(([kind, target]) => `--add-${kind}=${target}=ALL-UNNAMED`);

const FIXED_PROPERTIES: readonly string[] = [
  '-Dtwslaunch.autoupdate.serviceImpl=com.ib.tws.twslaunch.install4j.Install4jAutoUpdateService',
  '-Dchannel=latest',
  '-Dexe4j.isInstall4j=true',
  '-Dinstall4jType=standalone',
];

const MAIN_CLASS = 'ibcalpha.ibc.IbcGateway';

/** What changes from launch to launch. */
export type JavaLaunch = {
  /** Eight letters and digits, fresh for every JVM. */
  readonly ibcSessionId: string;
  readonly configIni: string;
  /** What java is told to be its user's home: files that libraries keep there. */
  readonly home: string;
  /** The token's directory name for a warm restart, null for a full login. */
  readonly restartDirectory: string | null;
  /** Null: without the window bridge. */
  readonly bridge: WindowBridge | null;
};

/** The agent that is loaded into the JVM, and whom it serves besides the JVM's own user. */
export type WindowBridge = {
  readonly jar: string;
  readonly socket: string;
  readonly uids: readonly number[];
};

/** The argument list, its first element being the executable. A later option wins in Java, so ours come after the gateway's and the user's. */
export function buildJavaCommand(
  session: SessionConfig,
  install: InstallLayout,
  launch: JavaLaunch,
): readonly string[] {
  return [
    install.java,
    ...MODULE_OPTIONS,
    '-cp',
    install.classpath.join(':'),
    ...filterVmoptions(install.vmoptions),
    `-Xmx${session.jvm.heapMiB}m`,
    ...session.jvm.options,
    ...(launch.bridge === null ? [] : [bridgeOption(launch.bridge)]),
    ...FIXED_PROPERTIES,
    // Else java asks the user database, where the gateways' user has no home that it may write to.
    `-Duser.home=${launch.home}`,
    `-DjtsConfigDir=${session.settingsDir}`,
    `-Dibcsessionid=${launch.ibcSessionId}`,
    ...(install.jxBrowserKey === null ? [] : [`-DjxBrowserKey=${install.jxBrowserKey}`]),
    ...(launch.restartDirectory === null ? [] : [`-Drestart=${launch.restartDirectory}`]),
    MAIN_CLASS,
    launch.configIni,
    session.mode,
  ];
}

/** Java takes what stands before the first `=` for the jar, the bridge what stands before its last `,uids=` for the socket. */
function bridgeOption({ jar, socket, uids }: WindowBridge): string {
  return `-javaagent:${jar}=${socket}${uids.length === 0 ? '' : `,uids=${uids.join(':')}`}`;
}

/**
 * The options of an ibgateway.vmoptions file that are passed on, each line one argument. System properties are left out, as IBC's script
 * does: one of them (sun.locale.formatasdefault) concerns the locale in which IBC formats restart times.
 */
export function filterVmoptions(lines: readonly string[]): readonly string[] {
  return lines
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#') && !/^-d/i.test(line));
}

/**
 * The whole environment of the JVM; nothing is inherited, so no JAVA_TOOL_OPTIONS changes it and no credentials directory is named in it.
 * C.UTF-8 because IBC reads and writes times with upper-case AM and PM in the default locale.
 */
export function buildJavaEnvironment(
  session: SessionConfig,
  where: { readonly display: string; readonly xauthority: string; readonly home: string },
): Readonly<Record<string, string>> {
  return {
    DISPLAY: where.display,
    XAUTHORITY: where.xauthority,
    LANG: 'C.UTF-8',
    LC_ALL: 'C.UTF-8',
    TZ: session.timeZone,
    HOME: where.home,
    PATH: '/usr/local/bin:/usr/bin:/bin',
  };
}
