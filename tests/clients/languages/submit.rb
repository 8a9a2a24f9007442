# submit.rb PENDING ID FILE: submits the file in each way that Ruby has, and prints the ids.
require "fileutils"
require "tempfile"

PENDING, PREFIX, SOURCE = ARGV
COMMAND = File.read(SOURCE)

def path(way)
  puts "#{PREFIX}-#{way}"
  "#{PENDING}/#{PREFIX}-#{way}"
end

File.write(path("write"), COMMAND)
File.open(path("open"), "w") { |file| COMMAND.each_line { |line| file << line } }
File.open(path("flock"), File::RDWR | File::CREAT) do |file|
  file.flock(File::LOCK_EX)
  file.write(COMMAND)
end

temporary = Tempfile.create("job", PENDING)
temporary.write(COMMAND)
temporary.close
File.rename(temporary.path, path("Tempfile"))

IO.copy_stream(SOURCE, path("copy_stream"))
FileUtils.cp(SOURCE, path("cp"))
FileUtils.cp(SOURCE, path("cp-preserve"), preserve: true)
FileUtils.install(SOURCE, path("install"), mode: 0o640)
FileUtils.cp(SOURCE, "#{SOURCE}-2")
FileUtils.mv("#{SOURCE}-2", path("mv"))
