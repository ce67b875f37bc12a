// Command fluxd-test-gitea is Gitea with SQLite in pure Go, with its published
// arguments.
package main

import (
	"database/sql"
	"os"

	"code.gitea.io/gitea/cmd"
	"code.gitea.io/gitea/modules/log"
	"code.gitea.io/gitea/modules/setting"
	"modernc.org/sqlite"
)

// version is the Gitea that go.mod asks for.
const version = "1.26.0"

// database is the name under which Gitea looks for SQLite.
const database = "sqlite3"

func main() {
	setting.AppVer, setting.EnableSQLite3 = version, true
	setting.SupportedDatabaseTypes = append(setting.SupportedDatabaseTypes, database)
	sql.Register(database, &sqlite.Driver{})
	err := cmd.RunMainApp(cmd.NewMainApp(cmd.AppVersion{Version: version}), os.Args...)
	log.GetManager().Close()
	if err != nil {
		os.Exit(1)
	}
}
