<?php
// The same routes for php-fpm: each fault as PHP code commits it.
header('Content-Type: text/plain');
[$path] = explode('?', $_SERVER['REQUEST_URI']);
echo $path === '/ok' ? $_GET['id'] : commit(basename($path));

function commit(string $name): string
{
    if ($name === 'loop') {
        while (true) {
        }
    }
    if ($name === 'segv') {
        posix_kill(getmypid(), 11);
    }
    if ($name === 'overflow') {
        deeper(0);
    }
    if ($name === 'hoard') {
        $hoard = [];
        while (true) {
            $hoard[] = str_repeat('x', 1024 * 1024);
        }
    }
    if ($name === 'abort') {
        posix_kill(getmypid(), 6);
    }
    return 'no such fault';
}

function deeper(int $depth): int
{
    return deeper($depth + 1) + $depth;
}
