package ibcalpha.ibc;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;

/** The empty files that tell the supervisor why the JVM is about to exit. */
final class FlagFile {
    private FlagFile() {}

    /** A property that is missing becomes the word null, so the directory does not exist and the caller dies. */
    static void create(String word) {
        File file = new File(System.getProperty("jtsConfigDir") + File.separator + word + System.getProperty("ibcsessionid"));
        try {
            file.createNewFile();
        } catch (IOException problem) {
            throw new UncheckedIOException(problem);
        }
    }
}
