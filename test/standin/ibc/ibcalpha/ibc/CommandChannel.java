package ibcalpha.ibc;

import java.awt.event.KeyEvent;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/** One client of the command port: reads lines, answers, and carries out commands. */
final class CommandChannel implements Runnable {
    private final Ibc ibc;
    private final Socket socket;
    private boolean open = true;

    CommandChannel(Ibc ibc, Socket socket) {
        this.ibc = ibc;
        this.socket = socket;
    }

    @Override
    public void run() {
        info("IBC Command Server");
        try {
            BufferedReader in = new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));
            String line;
            while (open && (line = in.readLine()) != null) {
                if (!line.isEmpty()) {
                    Log.line("CommandServer received command: " + line);
                    dispatch(line);
                }
                if (open) {
                    send(ibc.settings.text("CommandPrompt"));
                }
            }
        } catch (IOException problem) {
            // the client went away: closed below
        }
        close();
    }

    private void dispatch(String line) {
        String command = line.toUpperCase(Locale.ROOT);
        boolean fix = ibc.settings.fix();
        switch (command) {
            case "EXIT" -> {
                ok("Goodbye");
                close();
            }
            case "STOP" -> ibc.stop.run(this, "STOP command");
            case "ENABLEAPI" -> error("ENABLEAPI is not valid for the IB Gateway");
            case "RECONNECTDATA", "RECONNECTACCOUNT", "RESTART", "PAUSE" -> {
                if (fix) {
                    error(command + " is not valid for the FIX Gateway");
                    return;
                }
                switch (command) {
                    case "RECONNECTDATA" -> reconnect(KeyEvent.VK_F, false);
                    case "RECONNECTACCOUNT" -> reconnect(KeyEvent.VK_R, true);
                    default -> ibc.restart.run(this, command.equals("PAUSE"));
                }
            }
            default -> {
                error("Command invalid");
                Log.error("CommandServer: invalid command received: " + line);
            }
        }
    }

    /** Without a main window and without waiting for one this dies, and the JVM with it. */
    private void reconnect(int key, boolean wait) {
        Swing.pressControlAlt(wait ? ibc.mainWindow.await() : ibc.mainWindow.poll(), key);
        ok("");
    }

    void info(String text) {
        if (!ibc.settings.flag("SuppressInfoMessages", true)) {
            send("INFO " + text + "\n");
        }
    }

    void ok(String text) {
        send("OK " + text + "\n");
    }

    void error(String text) {
        send("ERROR " + text + "\n");
    }

    void close() {
        if (!open) {
            return;
        }
        open = false;
        Log.line("Closing command channel");
        try {
            socket.close();
        } catch (IOException problem) {
            Log.exception(problem);
        }
    }

    private void send(String text) {
        try {
            OutputStream out = socket.getOutputStream();
            out.write(text.getBytes(StandardCharsets.UTF_8));
            out.flush();
        } catch (IOException problem) {
            // a client that left gets no answer
        }
    }
}
