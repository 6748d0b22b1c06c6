// The main window: menus, the connection table, and the log of what happened.
package ibgateway;

import java.awt.BorderLayout;
import java.awt.Color;
import java.awt.Dimension;
import java.awt.Font;
import java.awt.GridLayout;
import java.awt.event.WindowAdapter;
import java.awt.event.WindowEvent;
import java.time.LocalTime;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import javax.swing.BorderFactory;
import javax.swing.JFrame;
import javax.swing.JLabel;
import javax.swing.JMenu;
import javax.swing.JMenuBar;
import javax.swing.JMenuItem;
import javax.swing.JPanel;
import javax.swing.JScrollPane;
import javax.swing.JTextArea;

final class MainFrame extends JFrame {
  /** What the menus do. */
  interface Actions {
    void saveSettings();

    void close();

    void configure();

    void about();
  }

  private static final DateTimeFormatter CLOCK = DateTimeFormatter.ofPattern("HH:mm:ss", Locale.ROOT);
  private static final int KEPT_LINES = 300;

  private final JLabel server = value();
  private final JLabel marketData = value();
  private final JLabel history = value();
  private final JLabel clients = value();
  private final JLabel account = Look.small(" ");
  private final JTextArea log = new JTextArea();

  MainFrame(Actions actions, boolean withConfigureMenu) {
    super("Loading...");
    setIconImage(Look.icon());
    setDefaultCloseOperation(DO_NOTHING_ON_CLOSE);
    addWindowListener(
        new WindowAdapter() {
          @Override
          public void windowClosing(WindowEvent event) {
            actions.close();
          }
        });
    JMenuBar bar = new JMenuBar();
    bar.add(menu("File", item("Save Settings", actions::saveSettings), item("Close", actions::close)));
    if (withConfigureMenu) bar.add(menu("Configure", item("Settings", actions::configure)));
    bar.add(menu("Help", item("About IB Gateway", actions::about)));
    setJMenuBar(bar);

    JPanel table = new JPanel(new GridLayout(4, 2, 0, 1));
    table.setBackground(Look.LINE);
    table.setBorder(BorderFactory.createLineBorder(Look.LINE));
    row(table, "Interactive Brokers API Server", server);
    row(table, "Market Data Farm", marketData);
    row(table, "Historical Data Farm", history);
    row(table, "API Client", clients);

    JPanel top = new JPanel(new BorderLayout(0, 6));
    top.setOpaque(false);
    JPanel heading = new JPanel(new BorderLayout());
    heading.setOpaque(false);
    heading.add(Look.bold("Connection Status"), BorderLayout.WEST);
    heading.add(account, BorderLayout.EAST);
    top.add(heading, BorderLayout.NORTH);
    top.add(table, BorderLayout.CENTER);

    log.setEditable(false);
    log.setFont(new Font(Font.MONOSPACED, Font.PLAIN, 12));
    log.setForeground(Look.INK);
    log.setMargin(new java.awt.Insets(6, 8, 6, 8));
    JPanel lower = new JPanel(new BorderLayout(0, 6));
    lower.setOpaque(false);
    lower.add(Look.small("Messages"), BorderLayout.NORTH);
    lower.add(new JScrollPane(log), BorderLayout.CENTER);

    JPanel body = new JPanel(new BorderLayout(0, 14));
    body.setBorder(BorderFactory.createEmptyBorder(14, 16, 16, 16));
    body.add(top, BorderLayout.NORTH);
    body.add(lower, BorderLayout.CENTER);
    add(body);
    set(server, "disconnected", Look.GREY);
    set(marketData, "inactive", Look.GREY);
    set(history, "inactive", Look.GREY);
    set(clients, "disconnected", Look.GREY);
    setPreferredSize(new Dimension(660, 460));
    Look.frame(this, false);
    pack();
    setLocationRelativeTo(null);
  }

  void showAccount(String text) {
    account.setText(text);
  }

  void showServer(boolean connected) {
    set(server, connected ? "connected" : "disconnected", connected ? Look.GREEN : Look.RED);
  }

  void showFarms(String market, String historical) {
    set(marketData, market.isEmpty() ? "OFF" : "ON: " + market, market.isEmpty() ? Look.AMBER : Look.GREEN);
    set(history, historical.isEmpty() ? "inactive" : "ON: " + historical, historical.isEmpty() ? Look.GREY : Look.GREEN);
  }

  void showClients(int count) {
    set(clients, count == 0 ? "disconnected" : count + " connected", count == 0 ? Look.GREY : Look.GREEN);
  }

  void note(String text) {
    if (log.getLineCount() > KEPT_LINES) log.setText("");
    log.append(LocalTime.now().format(CLOCK) + "  " + text + "\n");
    log.setCaretPosition(log.getDocument().getLength());
  }

  private static JLabel value() {
    JLabel label = new JLabel(" ");
    label.setFont(label.getFont().deriveFont(Font.BOLD, 13f));
    return label;
  }

  private static void set(JLabel label, String text, Color colour) {
    label.setText(text);
    label.setForeground(colour);
  }

  private static void row(JPanel table, String name, JLabel value) {
    table.add(cell(new JLabel(name)));
    table.add(cell(value));
  }

  private static JPanel cell(JLabel label) {
    JPanel panel = new JPanel(new BorderLayout());
    panel.setBackground(Look.PAPER);
    panel.setBorder(BorderFactory.createEmptyBorder(7, 12, 7, 12));
    panel.add(label);
    return panel;
  }

  private static JMenu menu(String name, JMenuItem... items) {
    JMenu menu = new JMenu(name);
    for (JMenuItem item : items) menu.add(item);
    return menu;
  }

  private static JMenuItem item(String name, Runnable action) {
    JMenuItem item = new JMenuItem(name);
    item.addActionListener(event -> action.run());
    return item;
  }
}
