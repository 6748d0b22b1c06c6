// Owns the socket: who may connect, requests in, answers and events out, deadlines. One thread that waits for nothing else.
package ibagent.bridge;

import java.io.IOException;
import java.lang.instrument.Instrumentation;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TimeZone;
import java.util.concurrent.ConcurrentLinkedQueue;

final class Server implements Runnable, Connection.Lines {
  static final int PROTOCOL = 1;

  private static final int MOST_CONNECTIONS = 48;
  private static final int MOST_OF_A_USER = 24;
  private static final int MOST_WAITING = 16;
  private static final int BACKLOG = 256;
  private static final int LONGEST_REPLY = 4 * 1024 * 1024;
  /** How long an action may take before the client is told that it is under way. */
  private static final long UNDER_WAY_NANOS = 200_000_000L;
  private static final long ACCEPT_PAUSE_NANOS = 1_000_000_000L;
  private static final int MOST_FAILURES = 1_000;

  private final Path socket;
  private final List<String> uids;
  private final Hands hands;
  private final ConcurrentLinkedQueue<Runnable> posts = new ConcurrentLinkedQueue<>();
  private final List<Connection> connections = new ArrayList<>();
  private final List<Request> requests = new ArrayList<>();
  private final ByteBuffer room = ByteBuffer.allocate(64 * 1024);
  private volatile Selector selector;
  private volatile boolean anySubscriber;
  private volatile long premainNanos;
  private ServerSocketChannel listener;
  private SelectionKey accepting;
  private Peers peers;
  private String greeting;
  private long acceptAgainAt = Long.MAX_VALUE;

  Server(Path socket, List<String> uids, Instrumentation instrumentation) {
    this.socket = socket;
    this.uids = uids;
    this.hands = new Hands(this, instrumentation);
  }

  void premainTook(long nanos) {
    premainNanos = nanos;
  }

  @Override
  public void run() {
    try {
      open();
    } catch (Throwable problem) {
      Agent.complain(problem);
      return;
    }
    int failures = 0;
    while (failures < MOST_FAILURES && selector.isOpen()) {
      try {
        turn();
        failures = 0;
      } catch (Throwable problem) {
        failures++;
      }
    }
  }

  /**
   * The socket is made in a directory of its own that nobody else can enter, gets its mode there, and is then moved to
   * its place: at no time can it be reached with another mode, whatever the umask. A socket that an earlier JVM left is
   * replaced. The directory's name is shorter than the socket's, since addresses of sockets are limited to 107 bytes.
   */
  private void open() throws IOException {
    Path nursery = socket.resolveSibling(".b");
    Path fresh = nursery.resolve("s");
    try {
      Files.createDirectory(nursery, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    } catch (FileAlreadyExistsException left) {
      Files.deleteIfExists(fresh);
      Files.setPosixFilePermissions(nursery, PosixFilePermissions.fromString("rwx------"));
    }
    listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
    try {
      listener.bind(UnixDomainSocketAddress.of(fresh), BACKLOG);
      Files.setPosixFilePermissions(fresh, PosixFilePermissions.fromString("rw-rw----"));
      peers = new Peers(fresh, uids);
      Files.move(fresh, socket, StandardCopyOption.ATOMIC_MOVE);
      Files.deleteIfExists(nursery);
      listener.configureBlocking(false);
      StringBuilder line = new StringBuilder("{\"hello\":\"ib-bridge\"");
      Json.member(line, "protocol", PROTOCOL);
      Json.member(line, "pid", Long.parseLong(Path.of("/proc/self").toRealPath().getFileName().toString()));
      greeting = Json.member(line, "java", System.getProperty("java.version")).toString();
      Selector opened = Selector.open();
      accepting = listener.register(opened, SelectionKey.OP_ACCEPT);
      selector = opened;
    } catch (Throwable problem) {
      listener.close();
      throw problem;
    }
    Agent.thread(hands, "ib-bridge-hands").start();
  }

  private void turn() throws IOException {
    long due = nextDue();
    if (!posts.isEmpty()) selector.selectNow();
    else if (due == Long.MAX_VALUE) selector.select();
    else selector.select(Math.max(1, (due - System.nanoTime()) / 1_000_000 + 1));
    for (Runnable post = posts.poll(); post != null; post = posts.poll()) {
      try {
        post.run();
      } catch (Throwable problem) {
        // What it was for gets its answer by the deadline.
      }
    }
    Iterator<SelectionKey> keys = selector.selectedKeys().iterator();
    while (keys.hasNext()) {
      SelectionKey key = keys.next();
      keys.remove();
      if (key == accepting) accept();
      else serve((Connection) key.attachment(), key);
    }
    expire();
  }

  // ---- connections ----------------------------------------------------------------------------------------------

  private void accept() {
    try {
      SocketChannel channel = listener.accept();
      if (channel == null) return;
      try {
        admit(channel);
      } catch (Throwable problem) {
        channel.close();
      }
    } catch (Throwable outOfDescriptors) {
      accepting.interestOps(0);
      acceptAgainAt = System.nanoTime() + ACCEPT_PAUSE_NANOS;
    }
  }

  private void admit(SocketChannel channel) throws IOException {
    channel.configureBlocking(false);
    Object user = peers.admit(channel);
    Connection connection = new Connection(channel, channel.register(selector, SelectionKey.OP_READ), user);
    channel.keyFor(selector).attach(connection);
    int ofUser = 0;
    for (Connection other : connections) if (other.user.equals(user)) ofUser++;
    Failure refusal = null;
    if (user == null) refusal = new Failure("not-allowed", "This user is not served.");
    else if (connections.size() >= MOST_CONNECTIONS || ofUser >= MOST_OF_A_USER) {
      refusal = new Failure("busy", "There are too many connections.");
    }
    if (refusal != null) {
      connection.send(failure(null, refusal));
      connection.close();
      return;
    }
    connections.add(connection);
    connection.send(Json.member(new StringBuilder(greeting), "premainMicros", premainNanos / 1_000) + "}");
  }

  private void serve(Connection connection, SelectionKey key) {
    if (connection == null || connection.closed) return;
    try {
      if (key.isWritable()) connection.write();
      if (!connection.closed && key.isReadable() && !connection.read(room, this)) drop(connection);
    } catch (Throwable problem) {
      drop(connection);
    }
    if (connection.closed) drop(connection);
  }

  /** What the client asked for and has not begun is not done any more: nobody would know that it was. */
  private void drop(Connection connection) {
    connection.close();
    connections.remove(connection);
    for (Request request : requests) {
      if (request.connection == connection) {
        request.giveUp();
        request.answered = true;
      }
    }
    countSubscribers();
  }

  private void countSubscribers() {
    boolean any = false;
    for (Connection connection : connections) any |= connection.subscribed;
    anySubscriber = any;
    if (any) hands.watch();
  }

  // ---- requests -------------------------------------------------------------------------------------------------

  @Override
  public void line(Connection connection, byte[] bytes, int length) {
    Long id = null;
    try {
      Map<String, Object> members = Json.object(bytes, length);
      Object number = members.get("id");
      if (!(number instanceof Long)) throw Failure.badRequest("'id' must be a whole number.");
      id = (Long) number;
      Object op = members.get("op");
      if (!(op instanceof String)) throw Failure.badRequest("'op' must be text.");
      begin(new Request(this, hands, connection, id, (String) op, members));
    } catch (Throwable problem) {
      Failure failure = Failure.of(problem);
      send(connection, failure(id, failure));
      if (failure.code.equals("version-mismatch")) connection.closeAfterSending();
    }
  }

  private void begin(Request request) throws Failure {
    Connection connection = request.connection;
    if (request.op.equals("hello")) {
      greet(request);
      return;
    }
    if (!connection.greeted) throw new Failure("hello-first", "The first request must be 'hello'.");
    switch (request.op) {
      case "subscribe":
        connection.subscribed = true;
        countSubscribers();
        answer(request, "");
        return;
      case "threads":
        answer(request, ThreadDump.body());
        return;
      case "clock":
        answer(request, clock());
        return;
      default:
        if (!Hands.knows(request.op)) throw new Failure("unknown-op", "There is no such operation.");
    }
    if (connection.waiting >= MOST_WAITING) throw new Failure("busy", "Too many requests are waiting.");
    connection.waiting++;
    requests.add(request);
    hands.take(request);
  }

  private void greet(Request request) throws Failure {
    boolean speaks = false;
    for (Object version : request.list("protocols")) speaks |= Long.valueOf(PROTOCOL).equals(version);
    if (!speaks) throw new Failure("version-mismatch", "This bridge speaks protocol " + PROTOCOL + " only.");
    request.connection.greeted = true;
    answer(request, Json.member(new StringBuilder(), "protocol", PROTOCOL).toString());
  }

  /** The JVM's idea of the wall clock, in which the program's own times of day are meant. */
  private static String clock() {
    long now = System.currentTimeMillis();
    TimeZone zone = TimeZone.getDefault();
    StringBuilder body = new StringBuilder();
    Json.member(body, "now", now);
    Json.member(body, "zone", zone.getID());
    return Json.member(body, "offsetMinutes", zone.getOffset(now) / 60_000).toString();
  }

  /** Of any thread: the members of the answer, each with a comma before it. */
  void succeed(final Request request, final String body) {
    post(
        new Runnable() {
          @Override
          public void run() {
            answer(request, body);
          }
        });
  }

  /** Of any thread. */
  void fail(final Request request, final Failure failure) {
    post(
        new Runnable() {
          @Override
          public void run() {
            answer(request, failure);
          }
        });
  }

  /** Of any thread. */
  void underWay(final Request request) {
    post(
        new Runnable() {
          @Override
          public void run() {
            request.underWay = true;
            request.deadline = System.nanoTime() + UNDER_WAY_NANOS;
          }
        });
  }

  /** Of any thread: work that would hold up the event thread. */
  void later(Runnable work) {
    hands.later(work);
  }

  /** Of any thread: an event for everybody who has asked for events. */
  void publish(final String line) {
    if (!anySubscriber) return;
    post(
        new Runnable() {
          @Override
          public void run() {
            for (Connection connection : List.copyOf(connections)) {
              if (connection.subscribed) send(connection, line);
            }
          }
        });
  }

  private void post(Runnable work) {
    posts.add(work);
    selector.wakeup();
  }

  private void answer(Request request, String body) {
    if (body.length() > LONGEST_REPLY) {
      answer(request, new Failure("too-large", "The answer would be too large."));
      return;
    }
    if (settle(request)) send(request.connection, "{\"id\":" + request.id + ",\"ok\":true", body, "}");
  }

  private void answer(Request request, Failure failure) {
    if (settle(request)) send(request.connection, failure(request.id, failure));
  }

  /** False when it was answered before. */
  private boolean settle(Request request) {
    if (request.answered) return false;
    request.answered = true;
    if (requests.remove(request)) request.connection.waiting--;
    return true;
  }

  private static String failure(Long id, Failure failure) {
    StringBuilder line = new StringBuilder("{\"id\":").append(id).append(",\"ok\":false,\"error\":{\"code\":");
    Json.quote(line, failure.code);
    Json.member(line, "message", failure.getMessage());
    if (failure.frozenMs >= 0) Json.member(line, "frozenMs", failure.frozenMs);
    return line.append("}}").toString();
  }

  private void send(Connection connection, String... pieces) {
    try {
      connection.send(pieces);
    } catch (Throwable problem) {
      drop(connection);
    }
  }

  // ---- deadlines ------------------------------------------------------------------------------------------------

  private long nextDue() {
    long due = acceptAgainAt;
    for (Request request : requests) due = Math.min(due, request.deadline);
    for (Connection connection : connections) due = Math.min(due, connection.dueAt());
    return due;
  }

  private void expire() {
    long now = System.nanoTime();
    if (acceptAgainAt <= now) {
      acceptAgainAt = Long.MAX_VALUE;
      accepting.interestOps(SelectionKey.OP_ACCEPT);
    }
    for (Request request : List.copyOf(requests)) {
      if (request.answered) requests.remove(request);
      else if (request.deadline <= now) timeOut(request, now);
    }
    for (Connection connection : List.copyOf(connections)) if (connection.dueAt() <= now) drop(connection);
  }

  private void timeOut(Request request, long now) {
    if (request.giveUp()) {
      long frozenMs = hands.waitsFor(now, request.receivedAt);
      answer(request, new Failure("frozen", "The event thread does not answer; nothing was done.", frozenMs));
    } else if (request.underWay) {
      answer(request, Json.member(new StringBuilder(), "returned", false).toString());
    } else {
      answer(request, new Failure("unfinished", "It was begun and has not ended in time."));
    }
  }
}
