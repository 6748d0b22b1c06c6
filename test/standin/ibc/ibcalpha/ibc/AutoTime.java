package ibcalpha.ibc;

import java.time.LocalTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import javax.swing.JDialog;
import javax.swing.JLabel;
import javax.swing.JRadioButton;
import javax.swing.JTextField;
import java.awt.Container;

/** Sets the time of Gateway's daily restart or logoff in the configuration dialog. */
final class AutoTime {
    /** In the JVM's locale: where AM and PM are written otherwise, upper-case times are not understood. */
    static final DateTimeFormatter FORMAT = DateTimeFormatter.ofPattern("hh:mm a");

    private AutoTime() {}

    /** @param kind {@code Auto restart} or {@code Auto logoff} */
    static void set(JDialog dialog, String kind, String wanted) {
        Log.line("Setting " + kind + " time");
        if (dialog == null) {
            throw new NullPointerException();
        }
        LocalTime time;
        try {
            time = LocalTime.parse(wanted, FORMAT);
        } catch (DateTimeParseException problem) {
            Log.error(kind + " time setting must be hh:mm AM or hh:mm PM, for example \"09:30 AM\" or \"04:00 PM\"");
            return;
        }
        ConfigTasks.selectPage(dialog, "Lock and Exit");
        JLabel label = Swing.label(dialog, "Set Auto Restart Time (HH:MM)");
        if (label == null) {
            label = Swing.label(dialog, "Set Auto Log Off Time (HH:MM)");
        }
        if (label == null) {
            throw new IllegalStateException("could not find the auto restart or logoff time");
        }
        Container group = label.getParent().getParent();
        JTextField field = Swing.all(group, JTextField.class).get(0);
        JRadioButton kindButton = Swing.button(group, JRadioButton.class, kind);
        JRadioButton am = Swing.button(group, JRadioButton.class, "AM");
        JRadioButton pm = Swing.button(group, JRadioButton.class, "PM");
        String current = field.getText() + " " + (am.isSelected() ? "AM" : "PM");
        // Gateway writes AM and PM in capitals, so a locale that does not cannot read the time back
        LocalTime old = LocalTime.parse(current, FORMAT);
        boolean sameKind = kindButton.isSelected();
        if (sameKind && old.equals(time)) {
            Log.line(kind + " time already set to " + wanted);
            return;
        }
        kindButton.setSelected(true);
        field.setText(DateTimeFormatter.ofPattern("hh:mm").format(time));
        (time.getHour() < 12 ? am : pm).setSelected(true);
        Log.line(sameKind ? kind + " time changed from " + current + " to " + wanted : kind + " time set to " + wanted);
    }
}
