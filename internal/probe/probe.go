// Package probe makes new connections to a host from where the server stands,
// and reports what came of them: TCP, an SSH key exchange, one password login.
// Every attempt is single and short. What an attempt proves, and whether it may
// be made, is left to the callers.
package probe

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"holdfast"
)

// limit bounds one attempt.
const limit = 5 * time.Second

// TCP tries a new TCP connection to address:port.
func TCP(ctx context.Context, addr string) holdfast.Test {
	start := time.Now()
	t := holdfast.Test{Say: "new TCP connection to " + addr, Want: "served"}
	c, err := dial(ctx, addr)
	t.Took = time.Since(start)
	if err != nil {
		t.Got = err.Error()
		return t
	}
	c.Close()
	t.Got, t.OK = "served", true
	return t
}

func dial(ctx context.Context, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return c, c.SetDeadline(time.Now().Add(limit))
}

// errSeen ends a key exchange once the server has proven its host key.
var errSeen = errors.New("host key seen")

// SSH tries a new connection to address:port up to the end of the SSH key
// exchange, at which the server has proven that it holds its host key. It does
// not log in and names no account.
func SSH(ctx context.Context, addr string) holdfast.Test {
	start := time.Now()
	t := holdfast.Test{Say: "new SSH connection to " + addr, Want: "key exchange completed"}
	var key string
	_, err := handshake(ctx, addr, &ssh.ClientConfig{
		User: "-",
		HostKeyCallback: func(_ string, _ net.Addr, k ssh.PublicKey) error {
			key = k.Type() + " " + ssh.FingerprintSHA256(k)
			return errSeen
		},
	})
	t.Took = time.Since(start)
	if key == "" {
		t.Got = said(err)
		return t
	}
	t.Got, t.OK = "key exchange completed, host key "+key, true
	return t
}

// handshake connects, and closes again whatever comes of it.
func handshake(ctx context.Context, addr string, conf *ssh.ClientConfig) (bool, error) {
	c, err := dial(ctx, addr)
	if err != nil {
		return false, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	sc, _, _, err := ssh.NewClientConn(c, addr, conf)
	if err != nil {
		return false, err
	}
	sc.Close()
	return true, nil
}

// said cuts an error for people to a line.
func said(err error) string {
	if err == nil {
		return "nothing"
	}
	s, _, _ := strings.Cut(err.Error(), "\n")
	if len(s) > 300 {
		s = s[:300]
	}
	return s
}

// Login is what came of one password login.
type Login struct {
	Addr, User string
	Offered    []string // the ways to give a password that the server offered
	Accepted   bool     // the login worked
	Reached    bool     // the key exchange was completed
	Said       string   // the server's or the network's last word
	Took       time.Duration
}

// Password tries one login with a password, by the methods "password" and
// "keyboard-interactive" (RFC 4252, section 8; RFC 4256), whichever the server
// offers. It opens no session.
func Password(ctx context.Context, addr, user, password string) Login {
	l := Login{Addr: addr, User: user}
	start := time.Now()
	offer := func(method string) {
		if !slices.Contains(l.Offered, method) {
			l.Offered = append(l.Offered, method)
		}
	}
	ok, err := handshake(ctx, addr, &ssh.ClientConfig{
		User: user,
		// The host key is not the question here, and the password is made up.
		HostKeyCallback: func(string, net.Addr, ssh.PublicKey) error { l.Reached = true; return nil },
		Auth: []ssh.AuthMethod{
			ssh.PasswordCallback(func() (string, error) { offer("password"); return password, nil }),
			ssh.KeyboardInteractive(func(_, _ string, questions []string, _ []bool) ([]string, error) {
				offer("keyboard-interactive")
				answers := make([]string, len(questions))
				for i := range answers {
					answers[i] = password
				}
				return answers, nil
			}),
		},
	})
	l.Accepted, l.Said, l.Took = ok, said(err), time.Since(start)
	return l
}

// NotOffered is the proof that a server takes no passwords: it was reached and
// offered no way to give one. A wrong password that is refused proves nothing.
func (l Login) NotOffered() holdfast.Test {
	t := holdfast.Test{Say: fmt.Sprintf("password login to %s as %s", l.Addr, l.User), Want: "the server takes no passwords", Took: l.Took}
	switch {
	case l.Accepted:
		t.Got = "logged in"
	case !l.Reached:
		t.Got = "not reached: " + l.Said
	case len(l.Offered) > 0:
		t.Got = "it asked for one by " + strings.Join(l.Offered, " and ")
	default:
		t.Got, t.OK = t.Want, true
	}
	return t
}

// MaxAttempts is the most that BruteForce tries.
const MaxAttempts = 12

// BruteForce tries up to n logins as user, each on a connection of its own with
// a random password, pausing between them. It stops at the first that works,
// that does not reach the server, or when the context ends.
func BruteForce(ctx context.Context, addr, user string, n int, pause time.Duration) []Login {
	var all []Login
	for i := range min(n, MaxAttempts) {
		if i > 0 {
			select {
			case <-ctx.Done():
				return all
			case <-time.After(pause):
			}
		}
		l := Password(ctx, addr, user, rand.Text())
		all = append(all, l)
		if l.Accepted || !l.Reached || ctx.Err() != nil {
			break
		}
	}
	return all
}
