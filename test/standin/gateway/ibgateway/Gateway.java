// The stand-in's life: start, login, second factor, loading, logged in, automatic restart, shutdown. Runs on the event thread.
package ibgateway;

import java.awt.KeyboardFocusManager;
import java.awt.Window;
import java.awt.event.KeyEvent;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.LocalTime;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import javax.swing.JDialog;
import javax.swing.SwingUtilities;

final class Gateway implements MainFrame.Actions {
  private final Path settingsDir;
  private final String restart;
  private final Scenario scenario;
  private final CodeCheck codes;
  private final ScheduledExecutorService clock;
  private final List<JDialog> ordered = new ArrayList<>();

  private LoginFrame login;
  private MainFrame main;
  private SplashFrame splash;
  private ConfigDialog config;
  private SecondFactor secondFactor;
  private UserSettings user;
  private volatile ApiServer api;
  private boolean paper;
  private int attempt;
  private boolean loggedIn;
  private boolean everLoggedIn;
  private boolean warm;
  private boolean reloginShown;
  private boolean closing;
  private long lockedUntilNanos;
  private boolean lockUsed;
  private ScheduledFuture<?> autoAction;
  private boolean timeSetBeforeLogin;

  Gateway(Path settingsDir, String restart, Scenario scenario) {
    this.settingsDir = settingsDir;
    this.restart = restart;
    this.scenario = scenario;
    this.codes = new CodeCheck(scenario);
    this.clock =
        Executors.newSingleThreadScheduledExecutor(
            task -> {
              Thread thread = new Thread(task, "standin-clock");
              thread.setDaemon(true);
              return thread;
            });
  }

  void start() {
    scenario.watch(this::order);
    long delay = scenario.millis("start.delay.ms", 0);
    if (delay == Scenario.NEVER) {
      Console.say("start never ends");
      return;
    }
    after(delay, this::begin);
  }

  // ---- starting -------------------------------------------------------------------------------------------------

  private void begin() {
    Look.install();
    listenForAccelerators();
    if (restart.isEmpty()) {
      openLogin();
      return;
    }
    Path token = settingsDir.resolve(restart).resolve("autorestart");
    boolean present = Files.isRegularFile(token);
    String refuse = scenario.text("autorestart.refuse", "no");
    try {
      Files.deleteIfExists(token);
    } catch (IOException e) {
      Console.say("autorestart token could not be deleted: " + e.getMessage());
    }
    if (!present || refuse.equals("login")) {
      Console.say("no usable autorestart token: full login");
      openLogin();
      return;
    }
    if (refuse.equals("yes")) {
      Console.say("autorestart token refused");
      openMain();
      openSplash("Authenticating...");
      after(loginDelay(), () -> fail(loginError(main), null));
      return;
    }
    Console.say("session restored from autorestart token");
    warm = true;
    useSettings(restart);
    paper = user.get("trading.mode", "live").equals("paper");
    openMain();
    openSplash("Connecting to server...");
    after(loginDelay(), this::load);
  }

  private void openLogin() {
    login = new LoginFrame(this::submit, () -> shutDown("login window closed"));
    login.setVisible(true);
    Console.say("login window open");
    crashAt("login");
  }

  private void useSettings(String directoryName) {
    user = new UserSettings(settingsDir, directoryName);
  }

  // ---- login ----------------------------------------------------------------------------------------------------

  private void submit(String name, String password, boolean paperMode) {
    attempt++;
    paper = paperMode;
    Console.say("login clicked attempt=" + attempt + " mode=" + (paper ? "paper" : "live"));
    login.busy(true);
    useSettings(UserSettings.directoryOf(name));
    user.put("trading.mode", paper ? "paper" : "live");
    user.save();
    String result = scenario.text("login.result", "ok");
    boolean right = matches("expect.user", name) && matches("expect.password", password) && !name.isEmpty();
    String verdict = right ? result : "unrecognized";
    long delay = loginDelay();
    if (verdict.startsWith("too-many")) {
      long seconds = secondsOf(verdict);
      if (!lockUsed) {
        lockUsed = true;
        lockedUntilNanos = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
      }
      long left = lockedUntilNanos - System.nanoTime();
      if (left > 0) {
        long wait = Math.max(1, Math.round(left / 1e9));
        after(delay, () -> refuse("", Dialogs.Text.AREA, tooMany(wait), "OK"));
        return;
      }
      verdict = "ok";
    }
    String outcome = verdict;
    after(
        delay / 2,
        () -> {
          openMain();
          openSplash("Connecting to server...");
        });
    after(delay * 3 / 4, () -> { if (splash != null) splash.show("Authenticating..."); });
    after(delay, () -> authenticated(outcome));
  }

  private boolean matches(String key, String typed) {
    String expected = scenario.exact(key);
    return expected == null || expected.equals(typed);
  }

  private static long secondsOf(String verdict) {
    int colon = verdict.indexOf(':');
    return colon < 0 ? 60 : Long.parseLong(verdict.substring(colon + 1).trim());
  }

  private static String tooMany(long seconds) {
    String wait =
        seconds < 60 ? seconds + " seconds" : seconds / 60 + " minutes & " + seconds % 60 + " seconds";
    return "Too many failed login attempts. Please wait " + wait + " before attempting to re-login again.";
  }

  private void authenticated(String verdict) {
    if (closing) return;
    switch (verdict) {
      case "ok" -> checkOtherSession();
      case "unrecognized" ->
          refuse(
              "Unrecognized Username or Password",
              Dialogs.Text.LABEL,
              "The user name or password you entered is not recognized. Please check both and try again. "
                  + "After several failed attempts the user is locked for some time.",
              "OK");
      case "login-failed" ->
          refuse("Login failed", Dialogs.Text.LABEL, "Login failed: the server did not accept this login.", "OK");
      case "login-error" -> fail(loginError(login), login);
      case "connection-failed" ->
          refuse("Gateway", Dialogs.Text.LABEL, "Connection to server failed: Network is unreachable", "OK");
      case "not-available" ->
          refuse(
              "Login",
              Dialogs.Text.LABEL,
              "The system is not currently available. Please try later.",
              "OK");
      default -> throw new IllegalArgumentException("login.result '" + verdict + "' is not known");
    }
  }

  private JDialog loginError(Window owner) {
    return Dialogs.message(
        owner,
        "Login Error",
        Dialogs.Text.AREA,
        "Soft token=0 received instead of expected permanent for zdc1",
        Look.RED,
        List.of("OK"),
        name -> openLoginAgain());
  }

  private void openLoginAgain() {
    if (login == null) openLogin();
    else loginAgain();
  }

  /** The login does not go on: one dialog, then the login window again. */
  private void refuse(String title, Dialogs.Text kind, String text, String button) {
    fail(Dialogs.message(login, title, kind, text, Look.RED, List.of(button), name -> loginAgain()), login);
  }

  private void fail(JDialog dialog, LoginFrame frame) {
    closeSplash();
    if (frame != null) loginAgain();
    Console.say("login refused: " + dialog.getTitle());
    Dialogs.open(dialog);
  }

  private void loginAgain() {
    if (closing) return;
    login.busy(false);
    login.setVisible(true);
    login.toFront();
  }

  private void checkOtherSession() {
    String existing = scenario.text("existing.session", "none");
    boolean again = everLoggedIn && scenario.yes("existing.session.on.relogin", false);
    if (again || (existing.equals("before") && !everLoggedIn && !warm)) {
      otherSession("Continue Login", this::askSecondFactor);
    } else {
      askSecondFactor();
    }
  }

  private void otherSession(String goOn, Runnable then) {
    Console.say("existing session detected");
    Dialogs.open(
        Dialogs.message(
            splash != null ? splash : main,
            "Existing session detected",
            Dialogs.Text.LABEL,
            "Another session with this user name is logged in, from IP address 203.0.113.7. "
                + "Only one session at a time can trade. Continue here and end the other one, or exit?",
            Look.AMBER,
            List.of(goOn, "Exit Application"),
            name -> {
              Console.say("existing session: " + name);
              if (name.equals(goOn)) then.run();
              else shutDown("gave way to the other session");
            }));
  }

  private void askSecondFactor() {
    String kind = scenario.text("second.factor", "none");
    if (kind.equals("none") || everLoggedIn) {
      load();
      return;
    }
    secondFactor =
        new SecondFactor(
            scenario,
            codes,
            splash,
            new SecondFactor.Outcome() {
              @Override
              public void accepted() {
                String token = scenario.text("second.factor.token", "");
                if (!token.isEmpty()) PairedDevice.keep(settingsDir, token);
                load();
              }

              @Override
              public void abandoned() {
                closeSplash();
                loginAgain();
              }
            });
    secondFactor.open(kind);
    crashAt("2fa");
  }

  // ---- loading --------------------------------------------------------------------------------------------------

  private void load() {
    if (closing) return;
    if (splash == null) openSplash("Initializing environment...");
    splash.show("Initializing environment...");
    if (login != null) login.setVisible(false);
    crashAt("loading");
    long splashMs = scenario.millis("splash.ms", 200);
    if (splashMs == Scenario.NEVER) return;
    after(splashMs / 2, () -> { if (splash != null) splash.show("Starting application..."); });
    after(splashMs, this::loadingDone);
  }

  private void loadingDone() {
    if (closing || splash == null) return;
    splash.show("Starting application...");
    boolean first = !everLoggedIn;
    loggedIn = true;
    everLoggedIn = true;
    if (first) {
      openApi();
      loggedInFirst();
    } else {
      api.connectivity("restored");
    }
    Console.say("logged in");
    refreshMain("Logged in, " + (paper ? "paper" : "live") + " trading");
    closeSplash();
  }

  private void loggedInFirst() {
    armAutoAction(false);
    if (paper && scenario.yes("paper.warning", true)) paperWarning();
    String existing = scenario.text("existing.session", "none");
    if (existing.startsWith("after:")) {
      after(Long.parseLong(existing.substring(6).trim()), this::displacedLater);
    }
    if (scenario.has("relogin.after.ms")) after(scenario.millis("relogin.after.ms", 0), this::askRelogin);
    if (scenario.has("crash.after.ms") && !scenario.has("crash.at")) {
      laterOffScreen(scenario.millis("crash.after.ms", 0), this::crash);
    }
    int lines = scenario.integer("lines.per.second", 0);
    if (lines > 0) {
      long period = 1_000_000_000L / lines;
      clock.scheduleAtFixedRate(
          new Runnable() {
            private long count;

            @Override
            public void run() {
              count++;
              Console.print("noise line " + count + "\n");
            }
          },
          period,
          period,
          TimeUnit.NANOSECONDS);
    }
  }

  private void displacedLater() {
    if (closing) return;
    api.connectivity("lost");
    otherSession(
        "Reconnect This Session",
        () -> {
          api.connectivity("restored");
          refreshMain("Reconnected");
        });
  }

  private void askRelogin() {
    if (closing || reloginShown) return;
    reloginShown = true;
    loggedIn = false;
    api.connectivity("lost");
    refreshMain("Re-login is required");
    Dialogs.open(
        Dialogs.message(
            main,
            "Re-login is required",
            Dialogs.Text.LABEL,
            "The connection to the server was lost and this session has to be logged in again.",
            Look.AMBER,
            List.of("Re-login", "Exit Application"),
            name -> {
              Console.say("re-login dialog: " + name);
              if (!name.equals("Re-login")) {
                shutDown("re-login declined");
                return;
              }
              openSplash("Connecting to server...");
              after(loginDelay(), this::checkOtherSession);
            }));
  }

  private void paperWarning() {
    api.hold(true);
    Dialogs.open(
        Dialogs.message(
            main,
            "Warning",
            Dialogs.Text.LABEL,
            "This is not a brokerage account. This is a paper trading account: nothing you do here "
                + "is a real trade, and no real position or money is involved.",
            Look.AMBER,
            List.of("I understand and accept"),
            name -> {
              Console.say("paper trading notice accepted");
              api.hold(false);
              refreshMain("Paper trading notice accepted");
            }));
  }

  private void openApi() {
    int port = Integer.parseInt(user.get(ConfigDialog.PORT, Integer.toString(defaultPort())));
    api =
        new ApiServer(
            port,
            scenario.text("api.accounts", paper ? "DU1234567" : "U1234567"),
            scenario.integer("api.server.version", 178),
            ApiServer.Mode.of(scenario.text("api.mode", "ok")),
            text -> SwingUtilities.invokeLater(() -> refreshMain(text)));
    long delay = scenario.millis("api.delay.ms", 0);
    if (delay == Scenario.NEVER) return;
    if (delay == 0) api.open();
    else laterOffScreen(delay, () -> { if (!closing) api.open(); });
  }

  private int defaultPort() {
    return scenario.integer("api.port", paper ? 4002 : 4001);
  }

  // ---- windows --------------------------------------------------------------------------------------------------

  private void openMain() {
    if (main != null || closing) return;
    main = new MainFrame(this, scenario.yes("main.menus", true));
    main.setVisible(true);
  }

  private void openSplash(String title) {
    if (closing) return;
    closeSplash();
    if (login != null) login.setVisible(false);
    splash = new SplashFrame(title);
    splash.setVisible(true);
    splash.toFront();
  }

  private void closeSplash() {
    if (splash == null) return;
    SplashFrame old = splash;
    splash = null;
    old.dispose();
  }

  private void refreshMain(String note) {
    if (main == null) return;
    if (note != null) main.note(note);
    boolean connected = loggedIn && api != null && !api.brokerLost();
    main.showServer(connected);
    main.showAccount(loggedIn ? (paper ? "Paper Trading" : "Live Trading") : "Not logged in");
    if (api == null) return;
    main.showFarms(connected ? api.farmSummary(2104) : "", connected ? api.farmSummary(2106) : "");
    main.showClients(api.clientCount());
    if (loggedIn) main.setTitle("IBKR Gateway - " + (paper ? "Paper Trading" : "Live Trading"));
  }

  @Override
  public void saveSettings() {
    user.save();
    Console.say("settings saved");
    refreshMain("Settings saved");
  }

  @Override
  public void close() {
    Dialogs.open(
        Dialogs.message(
            main,
            "Exit",
            Dialogs.Text.LABEL,
            "Are you sure you want to exit?",
            Look.HEAD,
            List.of("Yes", "No"),
            name -> {
              if (name.equals("Yes")) shutDown("closed by the menu");
            }));
  }

  @Override
  public void configure() {
    if (config != null && config.isVisible()) {
      config.toFront();
      return;
    }
    int port = Integer.parseInt(user.get(ConfigDialog.PORT, Integer.toString(defaultPort())));
    config =
        new ConfigDialog(main, user, port, this::configured, () -> Console.say("API order ids reset"));
    SwingUtilities.invokeLater(() -> config.setVisible(true));
  }

  private void configured(boolean timeTouched) {
    Console.say(
        "configuration applied: port=" + user.get(ConfigDialog.PORT, "")
            + " read-only=" + user.get(ConfigDialog.READ_ONLY, "")
            + " master=" + user.get(ConfigDialog.MASTER, "")
            + " auto=" + user.get(ConfigDialog.AUTO_ACTION, ConfigDialog.LOGOFF)
            + " " + user.get(ConfigDialog.AUTO_TIME, ConfigDialog.DEFAULT_TIME));
    if (api != null) {
      int port = Integer.parseInt(user.get(ConfigDialog.PORT, Integer.toString(defaultPort())));
      if (api.port() != port) laterOffScreen(0, () -> api.moveTo(port));
    }
    if (timeTouched && everLoggedIn) armAutoAction(true);
    else if (timeTouched) timeSetBeforeLogin = true;
    refreshMain("Configuration changed");
  }

  @Override
  public void about() {
    Dialogs.open(
        Dialogs.message(
            main,
            "About IB Gateway",
            Dialogs.Text.LABEL,
            "IBKR Gateway stand-in for tests.\nIt imitates windows and API; it connects to no server.",
            Look.HEAD,
            List.of("OK"),
            name -> {}));
  }

  /** Ctrl-Alt-F and Ctrl-Alt-R on the main window ask before they reconnect data or account. */
  private void listenForAccelerators() {
    KeyboardFocusManager.getCurrentKeyboardFocusManager()
        .addKeyEventDispatcher(
            event -> {
              boolean wanted =
                  event.getID() == KeyEvent.KEY_PRESSED && event.isControlDown() && event.isAltDown()
                      && (event.getKeyCode() == KeyEvent.VK_F || event.getKeyCode() == KeyEvent.VK_R);
              if (!wanted || main == null) return false;
              String what = event.getKeyCode() == KeyEvent.VK_F ? "data" : "account";
              Console.say("accelerator: reconnect " + what);
              confirmReconnect(what);
              return true;
            });
  }

  private void confirmReconnect(String what) {
    Dialogs.open(
        Dialogs.message(
            main,
            "IBKR Gateway",
            Dialogs.Text.LABEL,
            "This will simulate a disconnection of the " + what + " connection.",
            Look.AMBER,
            List.of("OK", "Cancel"),
            name -> Console.say("reconnect " + what + ": " + name)));
  }

  // ---- automatic restart and logoff -----------------------------------------------------------------------------

  /** Arms the automatic action: at the set time of day, or as the scenario says. */
  private void armAutoAction(boolean justSet) {
    boolean fresh = justSet || timeSetBeforeLogin;
    timeSetBeforeLogin = false;
    if (autoAction != null) autoAction.cancel(false);
    autoAction = null;
    boolean restarts = user.get(ConfigDialog.AUTO_ACTION, ConfigDialog.LOGOFF).equals(ConfigDialog.RESTART);
    String time = user.get(ConfigDialog.AUTO_TIME, "");
    boolean setByPerson = !time.isEmpty() && (restarts || !time.equals(ConfigDialog.DEFAULT_TIME));
    if (scenario.has("autorestart.after.ms")) {
      // A time of logoff that is set, or set back, restarts nothing.
      if (scenario.text("autorestart.when", "always").equals("set") && !(fresh && restarts)) return;
      // A restarted session would otherwise restart again and again.
      if (warm && !fresh && !scenario.yes("autorestart.repeat", false)) return;
      long delay = scenario.millis("autorestart.after.ms", 0);
      if (delay == Scenario.NEVER) return;
      autoAction = laterOffScreen(delay, () -> SwingUtilities.invokeLater(this::autoRestart));
      return;
    }
    // The built-in default (logoff at 11:45 PM) is shown but not carried out: tests must not depend on the hour.
    if (!setByPerson) return;
    String action = user.get(ConfigDialog.AUTO_ACTION, ConfigDialog.LOGOFF);
    long delay = untilNext(user.get(ConfigDialog.AUTO_TIME, ConfigDialog.DEFAULT_TIME));
    Console.say("automatic " + action + " in " + delay + " ms");
    autoAction =
        laterOffScreen(
            delay,
            () ->
                SwingUtilities.invokeLater(
                    () -> {
                      if (action.equals(ConfigDialog.RESTART)) autoRestart();
                      else shutDown("automatic logoff");
                    }));
  }

  private static long untilNext(String time) {
    LocalTime wanted = LocalTime.parse(time, DateTimeFormatter.ofPattern("hh:mm a", Locale.ROOT));
    ZonedDateTime now = ZonedDateTime.now();
    ZonedDateTime next = now.with(wanted);
    if (!next.isAfter(now)) next = next.plusDays(1);
    return Duration.between(now, next).toMillis();
  }

  private void autoRestart() {
    if (closing || !everLoggedIn) return;
    Console.say("automatic restart");
    Path token = user.directory.resolve("autorestart");
    try {
      Files.createDirectories(user.directory);
      Files.writeString(token, "stand-in\n");
    } catch (IOException e) {
      Console.say("autorestart token could not be written: " + e.getMessage());
    }
    relaunchByLauncher(token);
    shutDown("automatic restart");
  }

  /** A Gateway that finds its own launcher starts itself by it, outside IBC, and the token is spent there. */
  private void relaunchByLauncher(Path token) {
    Path launcher = programDirectory() == null ? null : programDirectory().resolve("ibgateway");
    if (launcher == null || !Files.isExecutable(launcher) || Files.isDirectory(launcher)) return;
    Console.say("launcher found, the restart leaves IBC: " + launcher);
    try {
      Files.deleteIfExists(token);
      new ProcessBuilder(launcher.toString(), settingsDir.toString())
          .directory(settingsDir.toFile())
          .redirectOutput(ProcessBuilder.Redirect.DISCARD)
          .redirectError(ProcessBuilder.Redirect.DISCARD)
          .start();
    } catch (IOException e) {
      Console.say("launcher did not start: " + e.getMessage());
    }
  }

  /** The directory above jars/, when the classes come from a jar laid out like an install; else null. */
  private static Path programDirectory() {
    try {
      Path jar = Path.of(Gateway.class.getProtectionDomain().getCodeSource().getLocation().toURI());
      Path jars = jar.getParent();
      return jars != null && jars.endsWith("jars") ? jars.getParent() : null;
    } catch (java.net.URISyntaxException e) {
      return null;
    }
  }

  // ---- the end --------------------------------------------------------------------------------------------------

  private void shutDown(String why) {
    if (closing) return;
    closing = true;
    Console.say("shutting down: " + why);
    if (autoAction != null) autoAction.cancel(false);
    if (secondFactor != null) secondFactor.discard();
    Window owner = main != null ? main : login;
    JDialog progress = Dialogs.progress(owner, "Shutdown progress", "Closing...");
    Dialogs.open(progress);
    if (api != null) laterOffScreen(0, api::close);
    long wait = scenario.millis("shutdown.ms", 100);
    if (wait == Scenario.NEVER) return;
    // On a thread of its own: exit waits for shutdown hooks, and one of them may want the event thread.
    laterOffScreen(wait, () -> new Thread(() -> System.exit(0), "standin-exit").start());
  }

  private void crashAt(String stage) {
    if (!scenario.text("crash.at", "").equals(stage)) return;
    laterOffScreen(scenario.millis("crash.after.ms", 0), this::crash);
  }

  private void crash() {
    halt(scenario.integer("crash.code", 1));
  }

  private static void halt(int code) {
    Console.say("crash with exit code " + code);
    Runtime.getRuntime().halt(code);
  }

  // ---- orders of a running scenario (called on the watcher's thread) -----------------------------------------------

  private void order(String key, String value) {
    switch (key) {
      case "now.print" -> Console.print(value.replace("\\n", "\n") + "\n");
      case "now.crash" -> halt(value.isEmpty() ? scenario.integer("crash.code", 1) : Integer.parseInt(value));
      case "now.api.mode" -> withApi(server -> server.switchTo(ApiServer.Mode.of(value)));
      case "now.connectivity" -> withApi(server -> server.connectivity(value));
      case "now.farm" ->
          withApi(
              server -> {
                for (String part : value.split("\\s*,\\s*")) {
                  int colon = part.indexOf(':');
                  server.farm(part.substring(0, colon).trim(), Integer.parseInt(part.substring(colon + 1).trim()));
                }
              });
      case "now.approve" ->
          onScreen(
              () -> {
                if (secondFactor == null || !secondFactor.approve()) Console.say("no notification is pending");
              });
      case "now.dialog" -> onScreen(() -> openOrdered(value));
      case "now.close.dialogs" ->
          onScreen(
              () -> {
                for (JDialog dialog : ordered) dialog.dispose();
                ordered.clear();
              });
      case "now.freeze.ms" -> freeze(Long.parseLong(value));
      case "now.restart" -> onScreen(this::autoRestart);
      case "now.exit" -> onScreen(() -> shutDown("automatic logoff"));
      default -> throw new IllegalArgumentException("no such order: " + key);
    }
  }

  private void withApi(Consumer<ApiServer> action) {
    if (api == null) {
      Console.say("there is no API server yet");
      return;
    }
    action.accept(api);
    onScreen(() -> refreshMain("API: " + api.clientCount() + " client(s)"));
  }

  private void openOrdered(String value) {
    String[] parts = value.split("\\|", -1);
    String title = parts[0];
    String text = parts.length > 1 ? parts[1].replace("\\n", "\n") : "";
    String buttons = parts.length > 2 ? parts[2] : "OK";
    Window owner = main != null ? main : login;
    ordered.add(
        Dialogs.open(
            Dialogs.message(
                owner,
                title,
                Dialogs.Text.LABEL,
                text,
                Look.HEAD,
                List.of(buttons.split("\\s*,\\s*")),
                name -> Console.say("dialog '" + title + "': " + name))));
  }

  private static void freeze(long millis) {
    onScreen(
        () -> {
          Console.say("event thread frozen for " + millis + " ms");
          try {
            Thread.sleep(millis);
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
          Console.say("event thread goes on");
        });
  }

  // ---- time -----------------------------------------------------------------------------------------------------

  private long loginDelay() {
    return Math.max(0, scenario.millis("login.delay.ms", 100));
  }

  /** Runs on the event thread later. */
  private void after(long millis, Runnable action) {
    laterOffScreen(millis, () -> onScreen(action));
  }

  /** Runs on the clock's thread later, so that a frozen event thread does not hold it up. */
  private ScheduledFuture<?> laterOffScreen(long millis, Runnable action) {
    return clock.schedule(
        () -> {
          try {
            action.run();
          } catch (RuntimeException e) {
            Console.say("failed: " + e);
            e.printStackTrace();
          }
        },
        millis,
        TimeUnit.MILLISECONDS);
  }

  private static void onScreen(Runnable action) {
    SwingUtilities.invokeLater(action);
  }
}
