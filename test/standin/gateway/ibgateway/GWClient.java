// The entry point IBC calls; it reads the scenario, starts the stand-in Gateway and returns at once.
package ibgateway;

import java.nio.file.Path;

public final class GWClient {
  private GWClient() {}

  /** args[0] is the settings directory; without it the working directory is taken, as the real launcher does. */
  public static void main(String[] args) {
    Path settings = Path.of(args.length > 0 ? args[0] : System.getProperty("user.dir")).toAbsolutePath().normalize();
    String restart = System.getProperty("restart", "");
    Console.say("settings dir " + settings + " restart=" + restart);
    Scenario scenario = Scenario.load(settings);
    Gateway gateway = new Gateway(settings, restart, scenario);
    gateway.start();
  }
}
