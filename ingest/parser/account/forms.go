package account

// forms lists the messages, the more particular before the more general. What
// is logged once more for the shadow file is of action "other": a change counts
// once.
func forms() []form {
	return []form{
		{"user_created", []string{"new user: name=", "user", ", UID=", "uid", ", GID=", "gid", ", home=", "home", ", shell=", "shell", ", from=", "from"}},
		{"user_created", []string{"new user: name=", "user", ", UID=", "uid", ", GID=", "gid", ", home=", "home", ", shell=", "shell"}},
		{"group_created", []string{"new group: name=", "group", ", GID=", "gid"}},
		{"other", []string{"group added to ", "file", ": name=", "group", ", GID=", "gid"}},
		{"other", []string{"group added to ", "file", ": name=", "group"}},
		{"other", []string{"failed adding user '", "user", "', ", "reason"}},
		{"group_member_added", []string{"add '", "user", "' to group '", "group", "'"}},
		{"group_member_removed", []string{"delete '", "user", "' from group '", "group", "'"}},
		{"other", []string{"add '", "user", "' to shadow group '", "group", "'"}},
		{"other", []string{"delete '", "user", "' from shadow group '", "group", "'"}},
		{"user_deleted", []string{"delete user '", "user", "'"}},
		{"group_deleted", []string{"removed group '", "group", "' owned by '", "user", "'"}},
		{"other", []string{"removed shadow group '", "group", "' owned by '", "user", "'"}},
		{"other", []string{"group '", "group", "' removed from ", "file"}},
		{"group_deleted", []string{"group '", "group", "' removed"}},
		{"group_changed", []string{"group changed in ", "file", " (group ", "group", "/", "gid", ")"}},
		{"group_changed", []string{"group changed in ", "file", " (", "change", ")"}},
		{"user_changed", []string{"change user '", "old_user", "' name to '", "user", "'"}},
		{"user_changed", []string{"change user name '", "old_user", "' to '", "user", "'"}},
		{"user_changed", []string{"change user '", "user", "' UID from '", "old_uid", "' to '", "uid", "'"}},
		{"user_changed", []string{"change user '", "user", "' GID from '", "old_gid", "' to '", "gid", "'"}},
		{"user_changed", []string{"change user '", "user", "' home from '", "old_home", "' to '", "home", "'"}},
		{"user_changed", []string{"change user '", "user", "' shell from '", "old_shell", "' to '", "shell", "'"}},
		{"password_changed", []string{"change user '", "user", "' password"}},
		{"user_locked", []string{"lock user '", "user", "' password"}},
		{"user_unlocked", []string{"unlock user '", "user", "' password"}},
		{"user_changed", []string{"change user '", "user", "' ", "change"}},
		{"user_changed", []string{"changed user '", "user", "' shell to '", "shell", "'"}},
		{"user_changed", []string{"changed user '", "user", "' information"}},
		{"user_changed", []string{"changed password expiry for ", "user"}},
		{"group_changed", []string{"change '", "old_user", "' to '", "user", "' in group '", "group", "'"}},
		{"password_changed", []string{"password for '", "user", "' changed by '", "by_user", "'"}},
		{"password_changed", []string{"password changed for ", "user"}},
		{"group_member_added", []string{"user ", "user", " added by ", "by_user", " to group ", "group"}},
		{"group_member_removed", []string{"user ", "user", " removed by ", "by_user", " from group ", "group"}},
		{"group_changed", []string{"members of group ", "group", " set by ", "by_user", " to ", "members"}},
		{"group_changed", []string{"administrators of group ", "group", " set by ", "by_user", " to ", "administrators"}},
		{"group_changed", []string{"password of group ", "group", " changed by ", "by_user"}},
		{"group_changed", []string{"password of group ", "group", " removed by ", "by_user"}},
	}
}
