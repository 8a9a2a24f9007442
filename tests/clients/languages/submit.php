<?php // submit.php PENDING ID FILE: submits the file in each way that PHP has, and prints the ids.
set_error_handler(fn($number, $message) => throw new ErrorException($message));
[, $pending, $prefix, $source] = $argv;
$command = file_get_contents($source);

function path(string $way): string
{
    global $pending, $prefix;
    echo "$prefix-$way\n";
    return "$pending/$prefix-$way";
}

file_put_contents(path('put'), $command);
file_put_contents(path('lock'), $command, LOCK_EX);
file_put_contents(path('append'), $command, FILE_APPEND | LOCK_EX);

$file = fopen(path('fopen'), 'x');
foreach (str_split($command, 1000) as $part) {
    fwrite($file, $part);
}
fclose($file);

$late = path('chmod');
file_put_contents($late, $command);
chmod($late, 0600);

$temporary = tempnam($pending, 'job');
file_put_contents($temporary, $command);
rename($temporary, path('tempnam'));

copy($source, path('copy'));
copy($source, "$source-2");
rename("$source-2", path('rename'));
