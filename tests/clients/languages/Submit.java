import java.io.FileWriter;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/** Submit PENDING ID FILE: submits the file in each way that Java has, and prints the ids. */
public class Submit {
  static Path pending;
  static String prefix;

  static Path path(String way) {
    System.out.println(prefix + "-" + way);
    return pending.resolve(prefix + "-" + way);
  }

  public static void main(String[] arguments) throws Exception {
    pending = Path.of(arguments[0]);
    prefix = arguments[1];
    Path source = Path.of(arguments[2]);
    String command = Files.readString(source);

    Files.writeString(path("writeString"), command);
    Files.writeString(path("createNew"), command, StandardOpenOption.CREATE_NEW);
    Files.copy(source, path("copy"), StandardCopyOption.COPY_ATTRIBUTES);
    try (PrintWriter writer = new PrintWriter(new FileWriter(path("FileWriter").toFile()))) {
      writer.print(command);
    }
    try (FileChannel channel = FileChannel.open(path("FileChannel"), StandardOpenOption.CREATE,
        StandardOpenOption.WRITE)) {
      channel.lock();
      channel.write(ByteBuffer.wrap(command.getBytes()));
      channel.force(true);
    }

    Path draft = Files.createTempFile(pending, ".job", "");
    Files.writeString(draft, command);
    Files.move(draft, path("createTempFile-draft"), StandardCopyOption.ATOMIC_MOVE);
    Path temporary = Files.createTempFile(pending, "job", "");
    Files.writeString(temporary, command);
    Files.move(temporary, path("createTempFile"), StandardCopyOption.ATOMIC_MOVE);

    Path outside = Files.copy(source, Path.of(source + "-2"));
    Files.move(outside, path("move"));
  }
}
