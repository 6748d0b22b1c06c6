// The TWS API port: accepts clients on 127.0.0.1 on threads of its own, so that a frozen window does not silence it.
package ibgateway;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;

final class ApiServer {
  /** What the server does with its clients. */
  enum Mode {
    OK("ok"),
    /** Accepts and never answers. */
    MUTE("mute"),
    /** The port is closed. */
    REFUSE("refuse"),
    /** Answers the handshake and then nothing. */
    HANDSHAKE_ONLY("handshake-only"),
    /** Answers with bytes that are no frames. */
    GARBAGE("garbage");

    private final String word;

    Mode(String word) {
      this.word = word;
    }

    static Mode of(String word) {
      for (Mode mode : values()) if (mode.word.equals(word)) return mode;
      throw new IllegalArgumentException("api.mode '" + word + "' is not one of ok, mute, refuse, handshake-only, garbage");
    }
  }

  final String accounts;
  final int version;
  private final Consumer<String> log;
  private volatile Mode mode;
  private volatile boolean held;
  private volatile int port;
  private ServerSocket listener;
  private boolean wanted;
  private final Set<ApiClient> connected = ConcurrentHashMap.newKeySet();
  private final List<ApiClient> started = new CopyOnWriteArrayList<>();
  private final Map<String, Integer> farms = new LinkedHashMap<>();
  private boolean brokerLost;
  private int nextOrderId = 1;

  ApiServer(int port, String accounts, int version, Mode mode, Consumer<String> log) {
    this.port = port;
    this.accounts = accounts;
    this.version = version;
    this.mode = mode;
    this.log = log;
    farms.put("usfarm.nj", 2104);
    farms.put("usfarm", 2104);
    farms.put("ushmds", 2106);
    farms.put("secdefil", 2158);
  }

  Mode mode() {
    return mode;
  }

  int port() {
    return port;
  }

  int clientCount() {
    return started.size();
  }

  /** While held, clients are cut off before the handshake (the paper trading warning has not been answered yet). */
  void hold(boolean hold) {
    held = hold;
  }

  boolean held() {
    return held;
  }

  synchronized void open() {
    wanted = true;
    listen();
  }

  synchronized void close() {
    wanted = false;
    stopListening();
    for (ApiClient client : connected) client.close();
  }

  synchronized void moveTo(int newPort) {
    if (newPort == port) return;
    port = newPort;
    if (wanted) {
      stopListening();
      listen();
    }
  }

  synchronized void switchTo(Mode newMode) {
    mode = newMode;
    Console.say("API mode " + newMode.word);
    if (newMode == Mode.REFUSE) {
      stopListening();
      for (ApiClient client : connected) client.close();
    } else if (wanted) {
      listen();
    }
  }

  private void listen() {
    if (mode == Mode.REFUSE || listener != null) return;
    try {
      ServerSocket socket = new ServerSocket();
      socket.setReuseAddress(true);
      socket.bind(new InetSocketAddress(InetAddress.getByName("127.0.0.1"), port), 50);
      listener = socket;
      Thread thread = new Thread(() -> accept(socket), "standin-api-accept");
      thread.setDaemon(true);
      thread.start();
      Console.say("API listening on 127.0.0.1:" + port);
      log.accept("API server listening on 127.0.0.1:" + port);
    } catch (IOException e) {
      Console.say("API could not listen on 127.0.0.1:" + port + ": " + e.getMessage());
      log.accept("API server could not listen on port " + port + ": " + e.getMessage());
    }
  }

  private void stopListening() {
    if (listener == null) return;
    try {
      listener.close();
    } catch (IOException e) {
      Console.say("API listener did not close: " + e.getMessage());
    }
    listener = null;
    Console.say("API closed on 127.0.0.1:" + port);
  }

  private void accept(ServerSocket socket) {
    while (!socket.isClosed()) {
      try {
        Socket peer = socket.accept();
        if (held) {
          peer.close();
          log.accept("API client refused: the paper trading notice has not been accepted");
          continue;
        }
        peer.setTcpNoDelay(true);
        ApiClient client = new ApiClient(this, peer);
        connected.add(client);
        client.start();
      } catch (IOException e) {
        if (!socket.isClosed()) Console.say("API accept failed: " + e.getMessage());
      }
    }
  }

  /** Takes a client in after startApi; false when its client id is in use. */
  synchronized boolean admit(ApiClient client) {
    for (ApiClient other : started) if (other.clientId() == client.clientId()) return false;
    started.add(client);
    log.accept("API client " + client.clientId() + " connected");
    return true;
  }

  void forget(ApiClient client) {
    connected.remove(client);
    if (started.remove(client)) log.accept("API client " + client.clientId() + " disconnected");
  }

  synchronized int reserveOrderId() {
    return nextOrderId;
  }

  /** What a client is told about the state of things right after it has started. */
  synchronized void greet(ApiClient client) {
    if (brokerLost) {
      client.sendError(-1, 2110, "Connectivity between Trader Workstation and server is broken. It will be restored automatically.");
      return;
    }
    for (Map.Entry<String, Integer> farm : farms.entrySet()) {
      client.sendError(-1, farm.getValue(), farmText(farm.getValue(), farm.getKey()));
    }
  }

  synchronized void farm(String name, int code) {
    farms.put(name, code);
    broadcast(code, farmText(code, name));
  }

  synchronized boolean brokerLost() {
    return brokerLost;
  }

  synchronized void connectivity(String word) {
    switch (word) {
      case "lost" -> {
        brokerLost = true;
        broadcast(1100, "Connectivity between IBKR and Trader Workstation has been lost.");
      }
      case "restored" -> {
        brokerLost = false;
        broadcast(1102, "Connectivity between IBKR and Trader Workstation has been restored - data maintained. "
            + "The following farms are connected: " + String.join("; ", farms.keySet()) + ".");
      }
      case "restored-lost" -> {
        brokerLost = false;
        broadcast(1101, "Connectivity between IBKR and Trader Workstation has been restored - data lost.");
      }
      default -> throw new IllegalArgumentException("connectivity '" + word + "' is not one of lost, restored, restored-lost");
    }
  }

  synchronized String farmSummary(int... codes) {
    for (Map.Entry<String, Integer> farm : farms.entrySet()) {
      for (int code : codes) if (farm.getValue() == code) return farm.getKey();
    }
    return "";
  }

  private void broadcast(int code, String text) {
    for (ApiClient client : started) if (mode == Mode.OK) client.sendError(-1, code, text);
  }

  private static String farmText(int code, String farm) {
    return switch (code) {
      case 2103 -> "Market data farm connection is broken:" + farm;
      case 2104 -> "Market data farm connection is OK:" + farm;
      case 2105 -> "HMDS data farm connection is broken:" + farm;
      case 2106 -> "HMDS data farm connection is OK:" + farm;
      case 2107 -> "HMDS data farm connection is inactive but should be available upon demand." + farm;
      case 2108 -> "Market data farm connection is inactive but should be available upon demand." + farm;
      case 2119 -> "Market data farm is connecting:" + farm;
      case 2157 -> "Sec-def data farm connection is broken:" + farm;
      case 2158 -> "Sec-def data farm connection is OK:" + farm;
      default -> throw new IllegalArgumentException("farm code " + code + " is not known");
    };
  }
}
