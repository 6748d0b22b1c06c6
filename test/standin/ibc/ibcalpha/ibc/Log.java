package ibcalpha.ibc;

import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.lang.reflect.InvocationTargetException;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;

/** Owns standard output: the stamped line, the fenced error, the raw line, and the fatal end. */
final class Log {
    static final DateTimeFormatter STAMP = DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss:SSS");
    private static final String FENCE = "!".repeat(79);
    /** Taken before Gateway can redirect System.out. */
    private static final PrintStream OUT = System.out;
    private static volatile boolean stackTraces = false;

    private Log() {}

    static void setStackTraces(boolean wanted) {
        stackTraces = wanted;
    }

    static void line(String text) {
        write(stamped(text));
    }

    static void error(String text) {
        write(FENCE + "\n" + stamped(text) + "\n" + FENCE);
    }

    static void raw(String text) {
        write(text);
    }

    static void exception(Throwable thrown) {
        Throwable told = thrown;
        while ((told instanceof InvocationTargetException || told instanceof UncheckedIOException) && told.getCause() != null) {
            told = told.getCause();
        }
        String detail = String.valueOf(told.getMessage());
        if (stackTraces) {
            StringWriter trace = new StringWriter();
            told.printStackTrace(new PrintWriter(trace, true));
            detail = trace.toString().stripTrailing();
        }
        write(FENCE + "\n" + stamped("An exception has occurred:") + "\n" + detail + "\n" + FENCE);
    }

    /** Ends the JVM with a fenced reason; nothing is printed after it. */
    static void fatal(int code, String reason) {
        synchronized (Log.class) {
            error(reason);
            end(code);
        }
    }

    static void fatal(int code, Throwable thrown) {
        synchronized (Log.class) {
            exception(thrown);
            end(code);
        }
    }

    static void end(int code) {
        synchronized (Log.class) {
            line("Exiting after error with exit code=" + code);
            Runtime.getRuntime().halt(code);
        }
    }

    /** Ends the JVM with 0 and without a word. */
    static void halt() {
        synchronized (Log.class) {
            OUT.flush();
            Runtime.getRuntime().halt(0);
        }
    }

    private static String stamped(String text) {
        return STAMP.format(LocalDateTime.now()) + " IBC: " + text;
    }

    private static void write(String text) {
        synchronized (Log.class) {
            OUT.print(text + "\n");
            OUT.flush();
        }
    }
}
