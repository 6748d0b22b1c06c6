package ibcalpha.ibc;

import java.io.IOException;
import java.net.InetAddress;
import java.net.NetworkInterface;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** Owns the command port: binding, who may connect, and closing. */
final class CommandServer {
    private static final int BACKLOG = 5;
    private final Ibc ibc;
    private final CountDownLatch bound = new CountDownLatch(1);
    private volatile ServerSocket socket;
    private volatile boolean closing = false;
    private Thread thread;

    CommandServer(Ibc ibc) {
        this.ibc = ibc;
    }

    /** Serves on a thread of its own; the short wait only keeps its first lines together. */
    void start() {
        int port = ibc.settings.number("CommandServerPort", 0);
        if (port == 0) {
            Log.line("CommandServer is not started because the port is not configured");
            return;
        }
        thread = Ibc.start("command server", () -> serve(port));
        try {
            bound.await(500, TimeUnit.MILLISECONDS);
        } catch (InterruptedException problem) {
            Thread.currentThread().interrupt();
        }
    }

    /** Stops listening; open channels are left to end by themselves. */
    void shutdown() {
        ServerSocket open = socket;
        if (open == null || closing) {
            return;
        }
        closing = true;
        Log.line("CommandServer closing");
        try {
            open.close();
        } catch (IOException problem) {
            Log.exception(problem);
        }
    }

    /** Waits a moment for the server's last line. */
    void awaitEnd() {
        if (thread != null) {
            try {
                thread.join(1000);
            } catch (InterruptedException problem) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private void serve(int port) {
        Log.line("CommandServer is starting with port " + port);
        try {
            socket = open(port);
        } catch (IOException problem) {
            Log.exception(problem);
            Log.line("CommandServer failed to create socket");
            Log.line("CommandServer cannot process commands");
        }
        if (socket != null) {
            Log.line("CommandServer started and is ready to accept commands");
            bound.countDown();
            acceptAll();
        }
        Log.line("CommandServer is shutdown");
        bound.countDown();
    }

    private ServerSocket open(int port) throws IOException {
        String address = ibc.settings.text("BindAddress");
        if (address.isEmpty()) {
            ServerSocket opened = new ServerSocket(port, BACKLOG);
            Log.line("CommandServer listening on addresses: " + String.join(",", ownAddresses()) + "; port: " + port);
            return opened;
        }
        ServerSocket opened = new ServerSocket(port, BACKLOG, InetAddress.getByName(address));
        Log.line("CommandServer listening on address: " + opened.getInetAddress().getHostAddress() + " port: " + port);
        return opened;
    }

    private static List<String> ownAddresses() {
        List<String> addresses = new ArrayList<>();
        try {
            for (NetworkInterface network : Collections.list(NetworkInterface.getNetworkInterfaces())) {
                for (InetAddress address : Collections.list(network.getInetAddresses())) {
                    addresses.add(address.getHostAddress());
                }
            }
        } catch (SocketException problem) {
            Log.line("SocketException occurred while enumerating network interfaces");
        }
        return addresses;
    }

    private void acceptAll() {
        while (!closing) {
            try {
                Socket client = socket.accept();
                if (admits(client)) {
                    Ibc.start("command channel", new CommandChannel(ibc, client));
                } else {
                    client.close();
                }
            } catch (IOException problem) {
                if (!closing) {
                    Log.exception(problem);
                }
            }
        }
    }

    /** The bound address, 127.0.0.1, and whoever ControlFrom names, blanks included. */
    private boolean admits(Socket client) {
        String controlFrom = ibc.settings.text("ControlFrom");
        Log.line("CommandServer: ControlFrom setting = " + controlFrom);
        InetAddress peer = client.getInetAddress();
        boolean allowed = peer.equals(socket.getInetAddress()) || peer.getHostAddress().equals("127.0.0.1");
        if (!allowed) {
            List<String> names = List.of(controlFrom.split(","));
            allowed = names.contains(peer.getHostAddress()) || names.contains(peer.getHostName());
        }
        Log.line(allowed ? "CommandServer accepted connection from: " + peer : "CommandServer denied access to: " + peer);
        return allowed;
    }
}
