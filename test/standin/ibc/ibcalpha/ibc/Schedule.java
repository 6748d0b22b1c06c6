package ibcalpha.ibc;

import java.time.DayOfWeek;
import java.time.Duration;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.time.format.TextStyle;
import java.time.temporal.TemporalAdjusters;
import java.util.Locale;

/** Owns the planned ends: the Sunday cold restart and the close-down; only the earlier one is armed. */
final class Schedule {
    private static final DateTimeFormatter CLOCK = DateTimeFormatter.ofPattern("HH:mm");
    private static final DateTimeFormatter SHOWN = DateTimeFormatter.ofPattern("yyyy/MM/dd HH:mm");
    private final Ibc ibc;

    Schedule(Ibc ibc) {
        this.ibc = ibc;
    }

    void arm() {
        LocalDateTime now = LocalDateTime.now();
        LocalDateTime coldRestart = coldRestartAt(now);
        LocalDateTime closeDown = closeDownAt(now);
        if (coldRestart != null && (closeDown == null || coldRestart.isBefore(closeDown))) {
            Log.line("Gateway will be cold restarted at " + SHOWN.format(coldRestart));
            ibc.later(Duration.between(now, coldRestart).toMillis(), "cold restart time", ibc::coldRestart);
        } else if (closeDown != null) {
            Log.line("Gateway will be shut down at " + SHOWN.format(closeDown));
            ibc.later(Duration.between(now, closeDown).toMillis(), "close-down time", () -> ibc.stop.run(null, "ClosedownAt"));
        }
    }

    private LocalDateTime coldRestartAt(LocalDateTime now) {
        String value = ibc.settings.text("ColdRestartTime");
        if (value.isEmpty()) {
            return null;
        }
        try {
            return next(now, DayOfWeek.SUNDAY, LocalTime.parse(value, CLOCK));
        } catch (DateTimeParseException problem) {
            Log.fatal(ExitCode.SETTING_VALUE, "Invalid ColdRestartTime setting: '" + value + "'; format should be: <hh:mm>   eg 13:00");
            return null;
        }
    }

    private LocalDateTime closeDownAt(LocalDateTime now) {
        String value = ibc.settings.text("ClosedownAt");
        if (value.isEmpty()) {
            return null;
        }
        int blank = value.indexOf(' ');
        try {
            LocalTime time = LocalTime.parse(value.substring(blank + 1).trim(), CLOCK);
            if (blank < 0) {
                LocalDateTime today = now.toLocalDate().atTime(time);
                return today.isAfter(now) ? today : today.plusDays(1);
            }
            for (DayOfWeek day : DayOfWeek.values()) {
                if (day.getDisplayName(TextStyle.FULL, Locale.getDefault()).equalsIgnoreCase(value.substring(0, blank))) {
                    return next(now, day, time);
                }
            }
        } catch (DateTimeParseException problem) {
            // answered below, like an unknown day
        }
        Log.fatal(ExitCode.SETTING_VALUE,
                "Invalid ClosedownAt setting: '" + value + "'; format should be: <[day ]hh:mm>   eg 22:00 or Friday 22:00");
        return null;
    }

    private static LocalDateTime next(LocalDateTime now, DayOfWeek day, LocalTime time) {
        LocalDateTime at = now.toLocalDate().with(TemporalAdjusters.nextOrSame(day)).atTime(time);
        return at.isAfter(now) ? at : at.plusWeeks(1);
    }
}
