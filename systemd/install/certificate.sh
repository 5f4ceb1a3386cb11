# shellcheck shell=sh
# A certificate of the box's own where there is none, and who serves the page to others with it.

tls=/etc/hemadiff/tls
days=825 # the most that browsers take
renewed_before_s=2592000

make_certificate() {
    mkdir -p "$root$tls"
    if [ -e "$root$tls/hemadiff.crt" ]; then
        openssl x509 -in "$root$tls/hemadiff.crt" -noout -checkend "$renewed_before_s" >/dev/null ||
            say "The certificate $tls/hemadiff.crt ends within 30 days: put a new one there, or remove it and come again."
        return 0
    fi
    command -v openssl >/dev/null 2>&1 || refuse "openssl is missing, which makes the certificate: apt-get install openssl"
    say "Making a certificate for:$(all_names)"
    settings=$(mktemp)
    certificate_settings >"$settings"
    (umask 077 && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days "$days" -sha256 \
        -config "$settings" -keyout "$root$tls/hemadiff.key" -out "$root$tls/hemadiff.crt" 2>/dev/null) ||
        refuse "openssl could not make a certificate in $root$tls."
    rm -f "$settings"
    chmod 644 "$root$tls/hemadiff.crt"
    chmod 600 "$root$tls/hemadiff.key"
    if [ -z "$root" ] && [ "$proxy" = caddy ]; then # it does not read it as root
        chgrp caddy "$root$tls/hemadiff.key" && chmod 640 "$root$tls/hemadiff.key"
    fi
}

all_names() {
    if [ -z "$root" ]; then box=$(hostname -s); else box=$(cat "$root/etc/hostname" 2>/dev/null || printf hemadiff); fi
    printf ' %s %s.local localhost%s' "$box" "$box" "$names"
}

certificate_settings() {
    printf '[req]\ndistinguished_name = who\nx509_extensions = what\nprompt = no\n'
    # shellcheck disable=SC2046 # a list of words
    set -- $(all_names)
    printf '[who]\nO = Hemadiff\nCN = %.64s\n' "$1"
    printf '[what]\nbasicConstraints = critical, CA:FALSE\nkeyUsage = critical, digitalSignature\n'
    printf 'extendedKeyUsage = serverAuth\nsubjectKeyIdentifier = hash\nsubjectAltName = @names\n[names]\n'
    number=0
    for name in "$@"; do
        number=$((number + 1))
        case $name in
        *[!0-9.:]*) printf 'DNS.%d = %s\n' "$number" "$name" ;;
        *) printf 'IP.%d = %s\n' "$number" "$name" ;;
        esac
    done
    printf 'IP.%d = 127.0.0.1\n' "$((number + 1))"
}

serve_to_others() {
    case $proxy in
    nginx)
        put "$here/proxy/nginx.conf" /etc/nginx/sites-available/hemadiff
        remember /etc/nginx/sites-enabled/hemadiff
        mkdir -p "$root/etc/nginx/sites-enabled"
        [ -L "$root/etc/nginx/sites-enabled/hemadiff" ] ||
            ln -s ../sites-available/hemadiff "$root/etc/nginx/sites-enabled/hemadiff"
        rm -f "$root/etc/nginx/sites-enabled/default" # a link of Debian's to sites-available, which stays
        [ -n "$root" ] || { nginx -t -q && systemctl enable nginx && systemctl reload-or-restart nginx; }
        ;;
    caddy)
        [ ! -e "$root/etc/caddy/Caddyfile" ] || [ -e "$root/etc/caddy/Caddyfile.before-hemadiff" ] ||
            cp "$root/etc/caddy/Caddyfile" "$root/etc/caddy/Caddyfile.before-hemadiff"
        put "$here/proxy/Caddyfile" /etc/caddy/Caddyfile
        [ -n "$root" ] || { systemctl enable caddy && systemctl reload-or-restart caddy; }
        ;;
    esac
}

serve_to_others_no_more() {
    if [ -e "$root/etc/caddy/Caddyfile.before-hemadiff" ]; then
        mv "$root/etc/caddy/Caddyfile.before-hemadiff" "$root/etc/caddy/Caddyfile"
    fi
    [ -n "$root" ] || for each in nginx caddy; do
        systemctl try-reload-or-restart "$each" 2>/dev/null || true
    done
}
