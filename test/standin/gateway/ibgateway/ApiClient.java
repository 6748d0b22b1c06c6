// One API client: length-prefixed frames of NUL-terminated fields, read on one thread and written on another.
package ibgateway;

import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

final class ApiClient {
  private static final Pattern VERSIONS = Pattern.compile("v(\\d{1,6})(?:\\.\\.(\\d{1,6}))?(?: .*)?");
  private static final int MAX_FRAME = 0xFFFFFF;
  private static final int MAX_HANDSHAKE = 4096;
  private static final int LINGER_MS = 500;
  private static final int MAX_QUEUE = 10_000;
  private static final byte[] END = new byte[0];

  // Message ids and the versions at which a layout changed, from the public API reference of IBKR.
  private static final int IN_NEXT_VALID_ID = 9;
  private static final int IN_ERROR = 4;
  private static final int IN_MANAGED_ACCOUNTS = 15;
  private static final int IN_CURRENT_TIME = 49;
  private static final int OUT_REQ_IDS = 8;
  private static final int OUT_SET_SERVER_LOG_LEVEL = 14;
  private static final int OUT_REQ_MANAGED_ACCOUNTS = 17;
  private static final int OUT_REQ_CURRENT_TIME = 49;
  private static final int OUT_REQ_MARKET_DATA_TYPE = 59;
  private static final int OUT_START_API = 71;
  private static final int VERSION_ASCII7 = 153;
  private static final int VERSION_ADVANCED_REJECT = 166;
  private static final int VERSION_ERROR_TIME = 194;

  private final ApiServer server;
  private final Socket socket;
  private final LinkedBlockingQueue<byte[]> outbox = new LinkedBlockingQueue<>(MAX_QUEUE);
  private volatile boolean started;
  private volatile int clientId = -1;
  private int version;

  ApiClient(ApiServer server, Socket socket) {
    this.server = server;
    this.socket = socket;
  }

  int clientId() {
    return clientId;
  }

  void start() {
    Thread reader = new Thread(this::read, "standin-api-read");
    reader.setDaemon(true);
    Thread writer = new Thread(this::write, "standin-api-write");
    writer.setDaemon(true);
    writer.start();
    reader.start();
  }

  void close() {
    try {
      socket.close();
    } catch (IOException e) {
      Console.say("API client did not close: " + e.getMessage());
    }
    outbox.offer(END);
    server.forget(this);
  }

  private void read() {
    // The stream is not closed here: that would close the socket before the last answer has been written.
    try {
      DataInputStream in = new DataInputStream(socket.getInputStream());
      if (server.mode() == ApiServer.Mode.GARBAGE) sendGarbage();
      if (!handshake(in)) return;
      while (true) {
        int length = in.readInt();
        if (length < 0 || length > MAX_FRAME) return;
        byte[] body = new byte[length];
        in.readFully(body);
        if (server.mode() == ApiServer.Mode.MUTE) continue;
        if (server.mode() == ApiServer.Mode.GARBAGE) {
          sendGarbage();
          continue;
        }
        if (!handle(fieldsOf(body))) return;
      }
    } catch (EOFException e) {
      // The client went away: the ordinary end.
    } catch (IOException e) {
      if (!socket.isClosed()) Console.say("API client lost: " + e.getMessage());
    } finally {
      finish();
    }
  }

  /** Ends the connection after everything queued has been written. */
  private void finish() {
    server.forget(this);
    if (!outbox.offer(END)) close();
  }

  private void write() {
    try {
      OutputStream out = socket.getOutputStream();
      while (true) {
        byte[] bytes = outbox.take();
        if (bytes == END) break;
        out.write(bytes);
      }
      // Unread input would turn the close into a reset, and the peer could lose what was just written.
      socket.shutdownOutput();
      socket.setSoTimeout(LINGER_MS);
      while (socket.getInputStream().read() >= 0) continue;
    } catch (IOException e) {
      // The reader sees the same end and reports it.
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      close();
    }
  }

  private boolean handshake(DataInputStream in) throws IOException {
    byte[] magic = new byte[4];
    in.readFully(magic);
    if (!Arrays.equals(magic, new byte[] {'A', 'P', 'I', 0})) return false;
    int length = in.readInt();
    if (length < 1 || length > MAX_HANDSHAKE) return false;
    byte[] body = new byte[length];
    in.readFully(body);
    Matcher range = VERSIONS.matcher(new String(body, StandardCharsets.US_ASCII));
    if (!range.matches()) return false;
    int lowest = Integer.parseInt(range.group(1));
    int highest = range.group(2) == null ? lowest : Integer.parseInt(range.group(2));
    if (server.version < lowest || highest < lowest) return false;
    version = Math.min(server.version, highest);
    if (server.mode() == ApiServer.Mode.MUTE || server.mode() == ApiServer.Mode.GARBAGE) return true;
    DateTimeFormatter format = DateTimeFormatter.ofPattern("yyyyMMdd HH:mm:ss zzz", Locale.ROOT);
    send(Integer.toString(version), ZonedDateTime.now(ZoneId.systemDefault()).format(format));
    return true;
  }

  /** False ends the connection. */
  private boolean handle(List<String> fields) {
    if (fields.isEmpty()) return true;
    Integer id = number(fields.get(0));
    if (id == null) return false;
    if (server.mode() == ApiServer.Mode.HANDSHAKE_ONLY) return true;
    if (!started) return id == OUT_START_API && startApi(fields);
    switch (id) {
      case OUT_REQ_IDS -> send(IN_NEXT_VALID_ID, 1, server.reserveOrderId());
      case OUT_REQ_MANAGED_ACCOUNTS -> send(IN_MANAGED_ACCOUNTS, 1, server.accounts);
      case OUT_REQ_CURRENT_TIME -> send(IN_CURRENT_TIME, 1, System.currentTimeMillis() / 1000);
      case OUT_SET_SERVER_LOG_LEVEL, OUT_REQ_MARKET_DATA_TYPE -> {
        // These have no answer.
      }
      case OUT_START_API -> sendError(-1, 507, "Bad Message Length: the API has been started already");
      default -> sendError(-1, 320, "Error reading request: message " + id + " is not served by this Gateway");
    }
    return true;
  }

  private boolean startApi(List<String> fields) {
    // 71, version, client id[, optional capabilities]
    Integer wanted = fields.size() < 3 ? null : number(fields.get(2));
    if (wanted == null) return false;
    clientId = wanted;
    if (!server.admit(this)) {
      clientId = -1;
      sendError(-1, 326, "Unable to connect as the client id is already in use.  Retry with a unique client id.");
      return false;
    }
    started = true;
    send(IN_MANAGED_ACCOUNTS, 1, server.accounts);
    send(IN_NEXT_VALID_ID, 1, server.reserveOrderId());
    server.greet(this);
    return true;
  }

  void sendError(int id, int code, String text) {
    List<Object> fields = new ArrayList<>(List.of(IN_ERROR));
    if (version < VERSION_ERROR_TIME) fields.add(2);
    fields.add(id);
    fields.add(code);
    fields.add(version >= VERSION_ASCII7 ? ascii7(text) : text);
    if (version >= VERSION_ADVANCED_REJECT) fields.add("");
    if (version >= VERSION_ERROR_TIME) fields.add(System.currentTimeMillis());
    send(fields.toArray());
  }

  private void send(Object... fields) {
    StringBuilder text = new StringBuilder();
    for (Object field : fields) text.append(field).append('\0');
    byte[] body = text.toString().getBytes(StandardCharsets.UTF_8);
    queue(ByteBuffer.allocate(4 + body.length).putInt(body.length).put(body).array());
  }

  private void sendGarbage() {
    byte[] bytes = new byte[64];
    new Random().nextBytes(bytes);
    // A length that no frame has, so that every reader must notice.
    bytes[0] = (byte) 0x7f;
    queue(bytes);
  }

  /** A client that does not read is dropped: nobody else waits for it. */
  private void queue(byte[] bytes) {
    if (!outbox.offer(bytes)) close();
  }

  private static List<String> fieldsOf(byte[] body) {
    if (body.length == 0) return List.of();
    String text = new String(body, StandardCharsets.UTF_8);
    return List.of(text.split("\0", -1));
  }

  private static Integer number(String text) {
    try {
      return Integer.valueOf(text);
    } catch (NumberFormatException e) {
      return null;
    }
  }

  private static String ascii7(String text) {
    StringBuilder out = new StringBuilder();
    for (char c : text.toCharArray()) {
      if (c < 128) out.append(c);
      else out.append(String.format("\\u%04x", (int) c));
    }
    return out.toString();
  }
}
