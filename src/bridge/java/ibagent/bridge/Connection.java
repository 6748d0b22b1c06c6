// Owns one client's bytes: lines in, bounded replies out, and what it may hold on to.
package ibagent.bridge;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Arrays;

/** All of it belongs to the server's thread. */
final class Connection {
  static final int LONGEST_LINE = 1024 * 1024;
  /** Replies and events that the client has not read yet. */
  private static final int MOST_UNREAD = 8 * 1024 * 1024;
  /** NIO keeps a native buffer as large as the largest write. */
  private static final int PIECE = 64 * 1024;
  private static final byte[] LINE_END = {'\n'};
  private static final long HELLO_NANOS = 10_000_000_000L;
  private static final long STUCK_NANOS = 15_000_000_000L;

  /** What takes the lines. */
  interface Lines {
    void line(Connection connection, byte[] bytes, int length);
  }

  final SocketChannel channel;
  final Object user;
  private final SelectionKey key;
  boolean greeted;
  boolean subscribed;
  int waiting;
  boolean closed;

  private byte[] line = new byte[512];
  private int length;
  private final ArrayDeque<ByteBuffer> unread = new ArrayDeque<>();
  private int unreadBytes;
  private boolean closing;
  private final long openedAt = System.nanoTime();
  private long lineBegunAt;
  private long wroteAt;

  Connection(SocketChannel channel, SelectionKey key, Object user) {
    this.channel = channel;
    this.key = key;
    this.user = user;
  }

  /** False when the client has ended the connection. */
  boolean read(ByteBuffer room, Lines lines) throws IOException {
    room.clear();
    int count = channel.read(room);
    if (count < 0) return false;
    byte[] bytes = room.array();
    int from = 0;
    for (int i = 0; i < count && !closed && !closing; i++) {
      if (bytes[i] != '\n') continue;
      keep(bytes, from, i);
      from = i + 1;
      int whole = length;
      length = 0;
      lines.line(this, line, whole);
      // A request may have been large, the next ones are small.
      if (line.length > PIECE) line = new byte[512];
    }
    if (!closed && !closing) {
      if (length == 0) lineBegunAt = System.nanoTime();
      keep(bytes, from, count);
      if (length > LONGEST_LINE) throw new IOException("line too long");
    }
    return true;
  }

  private void keep(byte[] bytes, int from, int to) throws IOException {
    int more = to - from;
    if (length + more > LONGEST_LINE) throw new IOException("line too long");
    if (length + more > line.length) line = Arrays.copyOf(line, Math.max(length + more, line.length * 2));
    System.arraycopy(bytes, from, line, length, more);
    length += more;
  }

  /** Queues a line, given in pieces, and writes what can be written at once. Throws when the client reads too slowly. */
  void send(String... pieces) throws IOException {
    if (closed || closing) return;
    if (unread.isEmpty()) wroteAt = System.nanoTime();
    // Writing an empty buffer looks like a full socket.
    for (String piece : pieces) if (!piece.isEmpty()) queue(piece.getBytes(StandardCharsets.UTF_8));
    queue(LINE_END);
    write();
  }

  private void queue(byte[] bytes) throws IOException {
    if (unreadBytes + bytes.length > MOST_UNREAD) throw new IOException("the client does not read");
    unread.add(ByteBuffer.wrap(bytes));
    unreadBytes += bytes.length;
  }

  /** Closes once what has been sent so far is written. */
  void closeAfterSending() {
    closing = true;
    if (unread.isEmpty()) close();
  }

  void write() throws IOException {
    while (!unread.isEmpty()) {
      ByteBuffer first = unread.peek();
      int limit = first.limit();
      first.limit(Math.min(limit, first.position() + PIECE));
      int count;
      try {
        count = channel.write(first);
      } finally {
        first.limit(limit);
      }
      if (count == 0) break;
      wroteAt = System.nanoTime();
      unreadBytes -= count;
      if (!first.hasRemaining()) unread.remove();
    }
    if (unread.isEmpty() && closing) {
      close();
      return;
    }
    int interest = SelectionKey.OP_READ | (unread.isEmpty() ? 0 : SelectionKey.OP_WRITE);
    if (key.isValid() && key.interestOps() != interest) key.interestOps(interest);
  }

  /** When this connection has to be looked at again, as {@link System#nanoTime}; Long.MAX_VALUE for never. */
  long dueAt() {
    if (!greeted) return openedAt + HELLO_NANOS;
    if (!unread.isEmpty()) return wroteAt + STUCK_NANOS;
    if (length > 0) return lineBegunAt + STUCK_NANOS;
    return Long.MAX_VALUE;
  }

  void close() {
    if (closed) return;
    closed = true;
    unread.clear();
    line = new byte[0];
    key.cancel();
    try {
      channel.close();
    } catch (IOException ignored) {
      // It is gone.
    }
  }
}
